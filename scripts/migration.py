"""Write the next migration: the difference between the tables in the code and the newest migration, found on SQLite."""

import re
import sys
import tempfile
from pathlib import Path

from alembic import command

from tocsin.store import dialect, schema
from tocsin.store.db import Database


def main() -> int:
    words = sys.argv[1].strip().rstrip(".")
    slug = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:40]
    number = f"{len(schema.known()) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/tocsin.db")
        schema.upgrade(db)
        with dialect.reshaping(db.engine) as connection:
            made = schema.config(connection)
            made.set_main_option("file_template", f"{number}_{slug}")
            script = command.revision(made, message=words, autogenerate=True, rev_id=number)
        db.close()
    if script is None or isinstance(script, list):
        print("migration: nothing was written", file=sys.stderr)
        return 1
    path = Path(script.path)
    path.write_text(re.sub(r"^ *# ###.*\n", "", path.read_text(), flags=re.MULTILINE))
    if "op." not in path.read_text():
        path.unlink()
        print("migration: the tables are as the newest migration leaves them; nothing to do")
        return 1
    print(f"migration: wrote {path.name}; read it before you commit it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
