"""A scheduler: messages in, replies out; jobs registered, bound and pruned."""

import threading

import pytest

from measuring import Counting, Failing, Gated, Once, capability, specification
from pilothouse.mplane import configuration, model
from pilothouse.mplane.authorization import Authorization
from pilothouse.mplane.media import NOBODY
from pilothouse.mplane.scheduler import Scheduler, Service
from waiting import until

ME, YOU = "org.mplane.Me", "org.mplane.You"
ACCESS = {
    "Access": {
        "Roles": {"guest": [ME], "admin": [YOU]},
        "Authorizations": {"ping": ["guest", "admin"], "secret": ["admin"]},
    }
}


def scheduler_of(*services, config=None, access=None, **options):
    made = Scheduler(config, **options)
    if access is not None:  # an identity is what TLS has found: here it is given
        made.authorization = Authorization(configuration.read(access).access)
    for service in services:
        made.add_service(service)
    return made


def ask(scheduler, service, when="now", user=ME, **options):
    made = specification(service.capability(), when)
    return scheduler.process_message(user, made, **options)


def finished(scheduler, receipt, user=ME):
    job = scheduler.job_for_message(receipt, user)
    assert job.wait(60)
    return job


def redeem(scheduler, receipt, user=ME, **options):
    made = model.Redemption(receipt=receipt)
    return scheduler.process_message(user, made, **options)


def test_a_specification_gives_a_receipt_and_then_its_result_once():
    service = Once()
    scheduler = scheduler_of(service)
    receipt = ask(scheduler, service)
    assert isinstance(receipt, model.Receipt)
    finished(scheduler, receipt)

    result = redeem(scheduler, receipt)
    second = redeem(scheduler, receipt)

    assert isinstance(result, model.Result)
    assert isinstance(second, model.Exception)
    assert second.errmsg() == "Unknown job"
    assert second.get_token() == receipt.get_token()


def test_the_answer_to_a_redemption_that_got_lost_is_given_again():
    service = Once()
    scheduler = scheduler_of(service)
    receipt = ask(scheduler, service)
    finished(scheduler, receipt)
    first = redeem(scheduler, receipt)

    assert redeem(scheduler, receipt, again=True) is first
    assert redeem(scheduler, receipt, YOU, again=True).errmsg() == "Unknown job"


def test_a_redemption_of_a_running_job_gives_the_receipt():
    service = Gated()
    scheduler = scheduler_of(service)
    receipt = ask(scheduler, service)
    assert service.began.wait(60)

    again = redeem(scheduler, receipt)
    service.gate.set()
    finished(scheduler, receipt)

    assert isinstance(again, model.Receipt)
    assert again.get_token() == receipt.get_token()


def test_a_token_is_enough_to_redeem_and_to_interrupt():
    service = Counting()
    scheduler = scheduler_of(service)
    receipt = ask(scheduler, service)
    assert service.has_rows.wait(60)
    text = model.unparse_json(model.Interrupt(specification=receipt), token_only=True)

    reply = scheduler.process_message(ME, model.parse_json(text))

    assert reply.get_token() == receipt.get_token()
    finished(scheduler, receipt)
    text = model.unparse_json(model.Redemption(receipt=receipt), token_only=True)
    result = scheduler.process_message(ME, model.parse_json(text))
    assert result.count_result_rows() >= 3


def test_a_failed_job_repeats_its_exception():
    service = Failing()
    scheduler = scheduler_of(service)
    receipt = ask(scheduler, service)
    finished(scheduler, receipt)

    replies = [redeem(scheduler, receipt) for _ in range(2)]

    assert {reply.errmsg() for reply in replies} == {"no route to 10.0.37.2"}


def test_the_same_specification_sent_twice_runs_once():
    service = Once()
    scheduler = scheduler_of(service)
    made = specification(service.capability())

    first = scheduler.process_message(ME, made)
    finished(scheduler, first)
    second = scheduler.process_message(ME, made)

    assert second.get_token() == first.get_token()
    assert service.runs == 1


@pytest.mark.parametrize("kind", [model.Redemption, model.Interrupt])
def test_an_unknown_token_is_an_unknown_job(kind):
    made = specification(capability())
    source = model.Receipt(specification=made)
    message = kind(receipt=source) if kind is model.Redemption else kind(None, made)

    reply = scheduler_of().process_message(ME, message)

    assert reply.errmsg() == "Unknown job"
    assert reply.get_token() == made.get_token()


def test_what_no_service_offers_is_refused_with_the_token():
    made = specification(capability(column="packets.lost"))

    reply = scheduler_of(Once()).process_message(ME, made)

    assert reply.errmsg() == "No service registered for specification"
    assert reply.get_token() == made.get_token()


@pytest.mark.parametrize(
    ("offered", "asked", "is_taken"),
    [
        ("now ... future / 1s", "now", False),
        ("now ... future / 1s", "now / 500s", True),
        ("now ... future", "2016-02-18 12:00:00 ... 2016-02-18 13:00:00", False),
        ("now ... future", "now", True),
    ],
)
def test_a_scope_has_to_follow_that_of_the_capability(offered, asked, is_taken):
    service = Once(capability(when=offered))
    made = specification(capability(when="past ... future"), asked)

    reply = scheduler_of(service).process_message(ME, made)

    assert isinstance(reply, model.Receipt if is_taken else model.Exception)


def test_a_value_has_to_meet_the_constraint_of_the_capability():
    made = capability()
    made.parameter("destination.ip4").set_constraint("10.0.0.1,10.0.0.2")
    scheduler = scheduler_of(Once(made))

    replies = [
        scheduler.process_message(ME, specification(capability(), address=address))
        for address in ("10.0.0.1", "10.0.0.3")
    ]

    assert isinstance(replies[0], model.Receipt)
    assert isinstance(replies[1], model.Exception)


@pytest.mark.parametrize(
    "message",
    [
        model.Envelope(),
        model.Exception(token="abc", errmsg="hm"),
        model.Result(specification=specification(capability())),
        capability(),
        "text",
    ],
    ids=lambda each: type(each).__name__,
)
def test_other_kinds_are_unexpected(message):
    reply = scheduler_of().process_message(ME, message)

    assert reply.errmsg() == "Unexpected message type"


def test_a_job_belongs_to_the_identity_that_asked_for_it():
    service = Counting()
    scheduler = scheduler_of(service)
    receipt = ask(scheduler, service, user=ME)
    assert service.has_rows.wait(60)

    stolen = redeem(scheduler, receipt, user=YOU)
    stopped = scheduler.process_message(YOU, model.Interrupt(specification=receipt))

    assert {stolen.errmsg(), stopped.errmsg()} == {"Unknown job"}
    job = scheduler.job_for_message(receipt)
    assert not job.finished()
    with pytest.raises(KeyError):
        scheduler.job_for_message(receipt, YOU)
    job.interrupt()
    assert job.wait(60)


def test_two_identities_may_ask_for_the_same():
    service = Once()
    scheduler = scheduler_of(service)
    made = specification(service.capability())

    for user in (ME, YOU):
        finished(scheduler, scheduler.process_message(user, made), user)

    assert service.runs == 2


@pytest.mark.parametrize(
    ("user", "label", "is_allowed"),
    [
        (ME, "ping", True),
        (ME, "ping-3", True),
        (ME, "ping-detail", False),
        (ME, "secret", False),
        (YOU, "secret", True),
        ("org.mplane.Somebody", "ping", False),
        (None, "ping", False),
        (ME, None, False),
    ],
)
def test_roles_grant_exactly_what_is_named(user, label, is_allowed):
    service = Once(capability(label))
    scheduler = scheduler_of(service, access=ACCESS)
    made = specification(service.capability())

    reply = scheduler.process_message(user, made)

    assert isinstance(reply, model.Receipt) is is_allowed
    assert bool(scheduler.capabilities_for(user)) is is_allowed
    if not is_allowed:
        assert reply.errmsg().startswith("User has no permission")


def test_a_token_can_be_granted():
    service = Once(capability(None))
    token = service.capability().get_token()
    access = {"Access": {"Roles": {"r": [ME]}, "Authorizations": {token: ["r"]}}}

    assert scheduler_of(service, access=access).capabilities_for(ME)


def test_without_tls_rules_hold_only_for_nobody_in_particular(caplog):
    rules = {"Access": {"Roles": {"guest": [NOBODY]}, "Authorizations": {}}}

    assert not scheduler_of(Once(), config=rules).capabilities_for(NOBODY)
    assert scheduler_of(Once(), config=ACCESS).capabilities_for(NOBODY)
    assert "all is allowed" in caplog.text


def test_two_services_that_cannot_be_told_apart_are_told(caplog):
    scheduler_of(Once(capability("one")), Once(capability("two")))

    assert "the first one that is offered" in caplog.text


def test_a_scheduler_that_ends_takes_no_specification():
    service = Gated()
    scheduler = scheduler_of(service)
    receipt = ask(scheduler, service)
    scheduler.is_ending = True

    refused = scheduler.process_message(
        ME, specification(service.capability(), address="10.0.0.9")
    )

    assert refused.errmsg() == "The component is stopping"
    assert isinstance(redeem(scheduler, receipt), model.Receipt)
    service.gate.set()
    assert isinstance(finished(scheduler, receipt).get_reply(), model.Result)


def test_a_service_that_is_not_granted_does_not_hide_another():
    hidden, open_to_all = Once(capability("secret")), Once(capability("ping"))
    scheduler = scheduler_of(hidden, open_to_all, access=ACCESS)

    receipt = ask(scheduler, hidden)

    finished(scheduler, receipt)
    assert (hidden.runs, open_to_all.runs) == (0, 1)


def test_a_removed_service_leaves_a_withdrawal():
    service = Once()
    scheduler = scheduler_of(service)
    token = service.capability().get_token()
    assert list(scheduler.capability_keys()) == [token]

    scheduler.remove_service(service)

    assert isinstance(scheduler.capability_for_key(token), model.Withdrawal)
    assert scheduler.capabilities_for(ME) == []
    assert len(scheduler.capabilities_for(ME, withdrawn=True)) == 1
    reply = ask(scheduler, service)
    assert isinstance(reply, model.Withdrawal)
    assert reply.get_token() == token


def test_a_service_that_comes_back_is_no_longer_withdrawn():
    service = Once()
    scheduler = scheduler_of(service)
    scheduler.remove_service(service)

    scheduler.add_service(service)

    assert isinstance(ask(scheduler, service), model.Receipt)
    with pytest.raises(ValueError, match="not offered"):
        scheduler.remove_service(Once())


def test_a_result_that_nobody_redeems_expires():
    service = Once()
    scheduler = scheduler_of(service, keep_seconds=0.0)
    receipt = ask(scheduler, service)
    finished(scheduler, receipt)
    assert list(scheduler.jobs) == [receipt.get_token()]

    scheduler.prune_jobs()
    until(lambda: (scheduler.prune_jobs(), not scheduler.jobs)[1])

    assert redeem(scheduler, receipt).errmsg() == "Unknown job"


def test_a_job_that_runs_does_not_expire():
    service = Gated()
    scheduler = scheduler_of(service, keep_seconds=0.0)
    receipt = ask(scheduler, service)
    assert service.began.wait(60)

    scheduler.prune_jobs()

    assert isinstance(redeem(scheduler, receipt), model.Receipt)
    service.gate.set()
    finished(scheduler, receipt)


def test_there_are_only_so_many_jobs():
    service = Gated()
    scheduler = scheduler_of(service, max_jobs=2)
    receipts = [
        scheduler.process_message(ME, specification(service.capability(), address=a))
        for a in ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    ]

    assert isinstance(receipts[2], model.Exception)
    assert "2 jobs" in receipts[2].errmsg()
    service.gate.set()
    for receipt in receipts[:2]:
        finished(scheduler, receipt)


def test_jobs_whose_reply_has_been_given_make_room():
    service = Once()
    scheduler = scheduler_of(service, max_jobs=2)

    for number in range(6):
        made = specification(service.capability(), address=f"10.0.0.{number}")
        receipt = scheduler.process_message(ME, made)
        scheduler.answered(finished(scheduler, receipt))

    assert service.runs == 6


def test_a_repeated_scope_gets_the_bound_of_the_configuration():
    config = {"Component": {"Listener": {"port": 0}, "scheduler_max_results": 1}}
    service = Once()
    scheduler = scheduler_of(service, config=config)
    receipt = ask(scheduler, service, "repeat now + 1s / 1s")

    job = finished(scheduler, receipt)

    assert service.runs == 2
    assert len(job.get_reply()) == 1


def test_five_hundred_jobs_at_a_time():
    started = threading.Semaphore(0)

    class Slow(Service):
        def run(self, specification, check_interrupt):
            started.release()
            check_interrupt.wait(600)
            result = model.Result(specification=specification)
            result.set_result_value("rtt.us", 1)
            return result

    service = Slow(capability())
    scheduler = scheduler_of(service)
    receipts = [
        scheduler.process_message(
            ME,
            specification(service.capability(), address=f"10.0.{n // 250}.{n % 250}"),
        )
        for n in range(500)
    ]
    for _ in receipts:
        assert started.acquire(timeout=60)

    scheduler.interrupt_all()

    results = [finished(scheduler, receipt).get_reply() for receipt in receipts]
    assert all(isinstance(result, model.Result) for result in results)


def test_many_threads_ask_at_once():
    service = Once()
    scheduler = scheduler_of(service)
    receipts = []

    def work(number):
        for each in range(20):
            made = specification(service.capability(), address=f"10.0.{number}.{each}")
            receipts.append(scheduler.process_message(ME, made))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    tokens = {finished(scheduler, receipt).receipt.get_token() for receipt in receipts}
    assert len(tokens) == 160
