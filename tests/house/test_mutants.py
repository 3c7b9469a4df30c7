"""Every fault of the list can be put into the code as it is."""

from scripts import mutants


def test_every_fault_of_the_list_fits_the_code():
    assert mutants.misfits(mutants.all_faults()) == []


def test_a_fault_that_fits_no_more_is_told_in_words():
    fault = mutants.Fault("a lost guard", "scripts/mutants.py", "nowhere" + " to be found", "x", ("no such group",))
    assert mutants.misfits([fault]) == [
        "'a lost guard': its text stands 0 times in scripts/mutants.py, not once: write it anew",
        "'a lost guard': there is no group 'no such group'",
    ]
