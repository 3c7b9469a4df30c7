"""Page me now: a test message to one contact method, and what became of it."""

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body
from tocsin.core import permission
from tocsin.service import access, notify
from tocsin.store.tables.people import contact_method


def page_now(call: Call) -> Body:
    """Send a test to this contact method, at once."""
    found = access.find(call.tx, call.actor, "contact_method", contact_method, call.params["contact_method_id"], permission.UPDATE)
    if found.user_id != call.id:
        raise access.missing("contact_method")
    page = notify.owe_test(call.tx, call.id, found.id, now=call.now, chance=call.chance)
    return {"id": page, "type": "test_page", "contact_method": {"id": found.id, "type": f"{found.kind}_contact_method_reference"}}


DECLARED = (
    Action(
        method="POST",
        path="/users/{id}/contact_methods/{contact_method_id}/test",
        tag="Users",
        run=page_now,
        wrap_out="page",
        status=202,
        scope="users:contact_methods.write",
    ),
)
