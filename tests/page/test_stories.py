# SPDX-License-Identifier: GPL-2.0-or-later
"""What people do with the page, from beginning to end, against the real burnd."""

import shutil

SETTLED = ("completed", "completed_with_failures", "failed", "canceled", "waiting", "held")


def test_pick_a_folder_see_the_plan_burn_it_and_see_the_medium_change(start_burnd, page):
    burnd = start_burnd(speed_kb_s=3000)
    page.open(burnd)
    assert page.recorder("state") == "idle"
    assert page.recorder("medium") == "blank"
    assert page.visible("#jobs-empty")
    assert not page.one("#start").is_enabled(), "nothing is chosen"
    page.wait_visible('#source-tree button[data-root="demo"]')

    page.choose_folder("photos")
    page.type("#title", "Holiday 2026")
    page.wait_plan()
    assert page.text('#plan [data-plan="files"]').startswith("7 files in 1 folder")
    assert "MB" in page.text('#plan [data-plan="size"]')
    assert page.one("#plan .fits").get_attribute("data-fits") == "true"
    assert not page.visible("#overwrite-field"), "a blank medium asks for nothing"

    page.keep_history()
    job = page.start()
    page.until(lambda: page.all(f'[id="{job}"] .progress[data-phase="write"][data-percent]'))
    page.until(lambda: "Holiday 2026 – burnd" in page.driver.title and "%" in page.driver.title)
    assert page.recorder("state") == "busy"
    assert not page.one(".recorder .eject").is_enabled()
    page.wait_job(job, "completed", timeout_s=60)

    assert burnd.job(job)["state"] == "completed"
    page.until(lambda: page.recorder("medium") != "blank", "the medium did not change")
    page.until(lambda: page.recorder("state") == "idle")
    page.until(lambda: "verified in full" in page.text(f'[id="{job}"] .result'))
    page.until(lambda: "%" not in page.driver.title)
    assert page.visible("#overwrite-field"), "the next burn would destroy this one"

    history = page.history()
    states = [entry["value"] for entry in history if entry["what"] == "job" and entry["name"] == "data-state"]
    assert states[-1] == "completed" and states.count("completed") == 1, states
    assert "running" in states
    writing = [entry["value"] for entry in history if entry["what"] == "recorder" and entry["name"] == "data-writing"]
    assert "true" in writing and writing[-1] == "false"
    whole = [int(entry["value"]) for entry in history
             if entry["what"] == "job" and entry["name"] == "data-percent" and entry["value"]]
    assert whole == sorted(whole), "the percent of a job went back"

    page.click(f'[id="{job}"] .details')
    page.wait_visible(f'[id="{job}"] .attempt[data-outcome="good"]')
    phases = [node.get_attribute("data-phase") for node in page.all(f'[id="{job}"] .phases [data-phase]')]
    assert [phase for phase in phases if phase in ("write", "close", "verify")] == ["write", "close", "verify"]
    log = page.text(f'[id="{job}"] .log')
    assert log and "object" not in log and "undefined" not in log
    assert page.console_errors() == []


def test_cancel_a_slow_burn(start_burnd, page):
    burnd = start_burnd(speed_kb_s=1000, megabytes=20)
    page.open(burnd)
    page.choose_folder("photos")
    job = page.start()
    page.until(lambda: page.all(f'[id="{job}"] .progress[data-phase="write"][data-percent]'))
    page.click(f'[id="{job}"] .cancel')
    assert not page.all("#confirm[open]"), "a blank image file loses nothing by a cancel"
    page.wait_job(job, "canceled", timeout_s=60)

    assert burnd.job(job)["state"] == "canceled"
    assert not page.visible(f'[id="{job}"] .cancel')
    assert not page.visible(f'[id="{job}"] .progress')
    page.until(lambda: page.recorder("state") == "idle")
    page.until(lambda: page.recorder("medium") == "blank", "the file should be empty again")
    page.click(f'[id="{job}"] .details')
    page.wait_visible(f'[id="{job}"] .attempt[data-outcome="unharmed"]')
    assert page.console_errors() == []


def test_the_truth_after_a_reload_and_after_burnd_was_killed_in_mid_burn(start_burnd, page):
    burnd = start_burnd(speed_kb_s=1000, megabytes=12)
    page.open(burnd)
    page.choose_folder("photos")
    page.type("#title", "Interrupted")
    job = page.start()
    page.until(lambda: page.all(f'[id="{job}"] .progress[data-phase="write"][data-percent]'))

    page.open(burnd)
    page.wait_job(job, "running")
    page.until(lambda: page.all(f'[id="{job}"] .progress[data-phase="write"][data-percent]'),
               "a reloaded page does not show what is going on")

    page.keep_history()
    burnd.kill()
    page.wait_connection("lost")
    page.wait_visible("#banner")
    assert "Connection lost – trying again" in page.text("#banner-text")
    assert page.job_state(job) == "running", "what is not known is not made up"
    assert not page.visible("#jobs-empty"), "what was known stays"

    burnd.start_again()
    page.wait_connection("live")
    page.wait_gone("#banner")

    def page_says_what_burnd_says():
        word = burnd.job(job)["state"]
        return word if word in SETTLED and page.job_state(job) == word else None

    word = page.until(page_says_what_burnd_says, "the page does not come to the truth", timeout_s=90)
    shown = [entry["value"] for entry in page.history()
             if entry["what"] == "job" and entry["name"] == "data-state"]
    assert word == "completed" or "completed" not in shown, "the page said completed without reason"

    for item in burnd.get("attention")["items"]:
        card = f'.attention[data-attention="{item["id"]}"]'
        page.wait_visible(card)
        for action in item["actions"]:
            assert page.visible(f'{card} button[data-action="{action["action"]}"]')
    page.until(lambda: page.recorder("state") == burnd.get("recorders/disc1")["state"] == "idle")

    page.open(burnd)
    assert page.job_state(job) == burnd.job(job)["state"]


def test_everything_by_keyboard(start_burnd, page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    burnd = start_burnd()
    page.open(burnd)
    page.wait_visible('#source-tree button[data-root="demo"]')

    def press(*keys):
        ActionChains(page.driver).send_keys(*keys).perform()

    def focused(selector):
        return page.driver.execute_script("return document.activeElement.matches(arguments[0])", selector)

    def tab_to(selector, limit=60):
        for _ in range(limit):
            if focused(selector):
                outline = page.driver.execute_script(
                    "return getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"the focus on {selector} can't be seen"
                return
            press(Keys.TAB)
        raise AssertionError(f"{selector} can't be reached with the Tab key")

    tab_to('#source-tree button[data-root="demo"]')
    press(Keys.ENTER)
    page.until(lambda: focused('#source-tree button[data-path="empty"]'), "the focus got lost")
    tab_to('#source-tree button[data-path="photos"]')
    press(Keys.ENTER)
    page.until(lambda: focused('#source-tree button[data-path="photos/2026"]'))
    tab_to("#use-folder")
    press(Keys.SPACE)
    page.until(lambda: page.one("#source").get_attribute("data-source") == "root:demo/photos")
    tab_to("#title")
    press("Keys only")
    tab_to("#verify")
    press(Keys.ARROW_DOWN)
    assert page.one("#verify").get_attribute("value") == "quick"
    press(Keys.ARROW_UP)
    assert page.one("#verify").get_attribute("value") == "full"
    page.wait_plan()
    page.until(page.one("#start").is_enabled)
    tab_to("#start")
    press(Keys.ENTER)
    job = page.new_job(set())
    page.until(lambda: focused(f'[id="{job}"]'), "the focus does not go to the new job")
    page.wait_job(job, "completed", timeout_s=60)
    tab_to(f'[id="{job}"] .details')
    press(Keys.ENTER)
    page.wait_visible(f'[id="{job}"] .attempt[data-outcome="good"]')

    # Escape answers a question with no.
    page.choose_folder("photos")
    page.wait_plan()
    page.one("#overwrite").send_keys(Keys.SPACE)
    page.wait_plan()
    page.until(page.one("#start").is_enabled)
    page.one("#start").send_keys(Keys.ENTER)
    page.wait_visible("#confirm[open]")
    page.until(lambda: focused("#confirm-no"), "the harmless answer has the focus")
    press(Keys.ESCAPE)
    page.wait_gone("#confirm")
    assert len(burnd.get("jobs")["items"]) == 1


def test_errors_say_what_to_do(start_burnd, page):
    burnd = start_burnd()
    page.open(burnd)

    # A wrong field: the error stands beside it, and goes with its cause.
    page.choose_folder("photos")
    page.wait_plan()
    page.type("#copies", "0")
    page.wait_plan("refused")
    page.wait_visible("#copies-error")
    assert page.one("#copies").get_attribute("aria-invalid") == "true"
    assert not page.one("#start").is_enabled()
    page.type("#copies", "1")
    page.wait_plan()
    assert not page.visible("#copies-error")
    first = page.start()
    page.wait_job(first, "completed", timeout_s=60)
    page.until(lambda: page.recorder("medium") != "blank")

    # Onto a written file: refused in words, with the way out.
    page.choose_folder("photos")
    page.until(lambda: "not blank" in page.text("#recorder-note"))
    second = page.start()
    page.wait_job(second, "failed")
    problem = f'[id="{second}"] .problem[data-code="medium_not_blank"]'
    page.wait_visible(problem)
    assert page.visible(f"{problem} .problem-action")
    assert burnd.job(second)["problem"]["code"] == "medium_not_blank"

    # Overwriting asks, and "go back" means it.
    page.choose_folder("photos/2026")
    page.click("#overwrite")
    page.wait_plan()
    page.click("#start")
    page.wait_visible("#confirm[open]")
    page.click("#confirm-no")
    page.wait_gone("#confirm")
    assert len(burnd.get("jobs")["items"]) == 2
    before = {node.get_attribute("data-job") for node in page.all(".job")}
    page.click("#start")
    page.click("#confirm-yes")
    third = page.new_job(before)
    page.wait_job(third, "completed", timeout_s=60)
    assert burnd.job(third)["burn"]["force_overwrite"] is True
    assert not page.one("#overwrite").is_selected(), "permission to destroy does not stick"

    # Eject sets the image aside; then nothing is in the way.
    page.until(lambda: page.recorder("state") == "idle")
    page.click(".recorder .eject")
    page.until(lambda: page.recorder("medium") == "blank", "eject leaves a blank")
    page.wait_gone("#overwrite-field")
    page.until(lambda: page.recorder("state") == "idle")
    page.choose_folder("photos/2026")
    page.wait_job(page.start(), "completed", timeout_s=60)
    assert page.job_state(second) == "failed", "a failed job stays what it is"
    page.until(lambda: page.recorder("state") == "idle")

    # A source that is gone.
    page.choose_folder("empty")
    page.wait_plan()
    shutil.rmtree(burnd.source / "empty")
    page.type("#title", "Nothing")
    page.wait_plan("refused")
    page.wait_visible("#source-error")


def test_narrow_dark_and_quiet(start_burnd, page):
    burnd = start_burnd()
    (burnd.source / ("a folder whose name goes on " * 4).strip()).mkdir()
    page.open(burnd)
    page.choose_folder("photos")
    page.type("#title", "Averylongtitlewithoutanyplacetobreak" * 3)
    job = page.start()
    page.wait_job(job, "completed", timeout_s=60)
    page.click(f'[id="{job}"] .details')
    page.wait_visible(f'[id="{job}"] .attempt')
    page.choose_folder("")
    page.wait_plan()

    grounds = {}
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        grounds[scheme] = page.driver.execute_script(
            "return getComputedStyle(document.body).backgroundColor")
        for width in (320, 390, 768, 1280, 1920):
            page.size(width)
            page.until(lambda: page.overflow_px() <= 0, f"scrolls sideways at {width} px")
    assert grounds["light"] != grounds["dark"]
    assert page.console_errors() == []

    unnamed = page.driver.execute_script(
        """return [...document.querySelectorAll('button, input, select, progress, meter')].filter((node) =>
               !(node.labels?.length || node.getAttribute('aria-label') || node.textContent.trim()))
               .map((node) => node.outerHTML)""")
    assert unnamed == [], "controls without a name"
