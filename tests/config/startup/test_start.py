from mailadmin.checks import email_backend


def test_jobs_are_recorded_and_run_only_when_asked(jobs):
    ran = []
    task = jobs.huey.task(name="tests.note")(ran.append)
    try:
        task("a")
        assert jobs.names == ["tests.note"]
        assert ran == []
        assert jobs.run() == ["tests.note"]
        assert ran == ["a"]
        assert jobs.names == []
    finally:
        task.unregister()


def test_mail_settings_are_empty_and_the_backend_is_ours(settings):
    assert settings.MAIL.driver == ""
    assert settings.MAIL.host == ""
    assert email_backend(None) == []
