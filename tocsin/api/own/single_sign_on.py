"""Loosen by which name the company's sign-in provider knows somebody: for admins, when an address went to another account there."""

from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action
from tocsin.core import permission
from tocsin.service import access, single_sign_on
from tocsin.store.tables.people import user


def loosen(call: Call) -> Reply:
    """The next who comes from the provider with this user's address is tied to them anew."""
    access.find(call.tx, call.actor, "user", user, call.id, permission.DELETE)
    single_sign_on.loosen(call.tx, call.deed, call.id)
    return Reply(204)


DECLARED = (Action(method="DELETE", path="/api/v1/users/{id}/single_sign_on", tag="Users", run=loosen, scope="users.write"),)
