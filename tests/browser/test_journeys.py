"""What people do with the console, in a real browser: looked at in light and dark, and by axe-core."""

import re

import pytest
from tests.unit.web.shop import write_people

pytestmark = pytest.mark.slow

PAGES = {
    "fleet": "/",
    "sync": "/syncs/people",
    "rejected": "/syncs/people/rejected",
    "row": "/syncs/people/row?key.id=3",
    "runs": "/runs",
    "dismiss": "/syncs/people/rejected/dismiss?all=yes",
    "run-all": "/syncs/people/run",
    "troubles": "/rejected",
    "unknown": "/unknown",
    "accounts": "/accounts",
    "lineage": "/lineage",
    "audit": "/audit",
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_can_be_read_by_everybody(shop, tab, dark):
    """No serious fault by axe-core, in light and dark; nothing goes wrong, and nothing is asked for elsewhere."""
    looking = tab(shop.url, dark=dark)
    for name, path in PAGES.items():
        looking.open(path)
        looking.look(f"{name}-{'dark' if dark else 'light'}")
    looking.page.goto(shop.url + "/runs")
    looking.page.click("tbody th a >> nth=0")
    assert looking.heading().startswith("Run ")
    looking.look(f"run-{'dark' if dark else 'light'}")


def test_every_page_fits_a_narrow_screen(shop, tab):
    """The page as a whole does not scroll sideways; wide tables do within their own frame."""
    looking = tab(shop.url, width=400)
    for name, path in PAGES.items():
        page = looking.open(path)
        looking.look(f"{name}-narrow")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name


WITHIN = {
    "/": ["tbody .badge", "header nav a[aria-current]"],
    "/runs": ["tbody .badge", "tbody time", "header nav a[aria-current]"],
    "/syncs/people": ["tbody .badge", "button:text-is('Run now')"],
    "/syncs/people/rejected": ["button:has-text('Retry')", "button:has-text('Dismiss')", "a.button"],
    "/unknown": ["tbody td", "button"],
    "/audit": ["tbody td"],
}


def test_on_a_phone_what_matters_lies_within_the_screen(shop, tab):
    """At 390 px each status and button is whole in sight, and replies are read in lines, not word by word."""
    looking = tab(shop.url, width=390)
    for path, selectors in WITHIN.items():
        page = looking.open(path)
        looking.look(f"phone{path.replace('/', '-')}")
        for selector in selectors:
            boxes = [each.bounding_box() for each in page.locator(selector).all()]
            assert boxes, (path, selector)
            assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes), (path, selector)
        assert page.locator("header nav").bounding_box()["height"] < 40
    page = looking.open("/syncs/people/rejected")
    assert page.locator("td[data-label=Reply]").first.bounding_box()["width"] > 300
    assert page.get_by_role("table").count() == page.locator("table").count()
    assert page.get_by_role("columnheader", name="Reply").count() == 1


def test_the_lineage_scrolls_at_the_size_at_which_it_is_read(shop, tab):
    """Its text is as large on a phone as elsewhere."""
    page = tab(shop.url, width=390).open("/lineage")
    assert page.locator(".drawing svg text").first.bounding_box()["height"] > 10
    assert page.evaluate("document.querySelector('.drawing').scrollWidth > window.innerWidth")


def test_a_plan_is_made_searched_and_applied(own, tab):
    """From the sync to the plan, through its rows, to the run that carried out exactly that."""
    write_people(own.root, [(1, "Anna", "ann@x.io"), (2, "Bob", "bob@x.io"), (6, "Flo", "flo@x.io"), (7, "Gil", "")])
    looking = tab(own.url)
    page = looking.open("/syncs/people")
    page.click("text=Dry run >> nth=0")
    page.wait_for_selector("text=Apply exactly this plan")
    looking.look("plan")
    page.fill("input[name=search]", "anna")
    page.click("button:text-is('Show')")
    (row,) = page.locator("table tbody tr").all()
    assert re.sub(r"\s+", " ", row.inner_text()).startswith("~ update id=1 name old Anne → new Anna")
    looking.look("plan-searched")
    page.click("text=Apply exactly this plan")
    page.wait_for_selector("text=is asked for")
    own.until("/api/requests", lambda found: found["requests"][0]["state"] == "done")
    page.reload()
    looking.look("sync-applied")
    assert own.get("/api/runs?sync=people")["runs"][0]["updates"] == 1


def test_a_guard_that_stops_is_let_pass_by_an_admin(own, tab):
    """The banner says why; with the box ticked the same plan goes through."""
    file = own.root / "syncs/people.yml"
    file.write_text(file.read_text().replace("max_deletes: 50%", "max_deletes: 0"))
    write_people(own.root, [(1, "Anne", "ann@x.io")])
    looking = tab(own.url)
    page = looking.open("/syncs/people")
    while "max_deletes 0 rows" not in page.content():  # the files are read again within seconds
        page.reload()
    page.click("text=Dry run >> nth=0")
    page.wait_for_selector("text=Stopped by a guard")
    looking.look("plan-stopped")
    page.check("input[name=override]")
    page.click("text=Apply exactly this plan")
    page.wait_for_selector("text=is asked for")
    done = own.until("/api/requests", lambda found: found["requests"][0]["state"] == "done")
    assert done["requests"][0]["result"]["status"] == "succeeded"


def test_rejected_rows_are_looked_at_and_dismissed(own, tab):
    """The payload and the reply of one; then one is dismissed, and the rest of its reason retried."""
    looking = tab(own.url)
    page = looking.open("/rejected")
    page.click("tbody th a")
    page.click("text=Payload >> nth=0")
    page.wait_for_selector("text=Sent in run")
    looking.look("rejected-payload")
    page.click("button:has-text('Dismiss') >> nth=2")
    page.wait_for_selector("text=1 row is set aside until they change")
    page.click("button:has-text('Retry all')")
    page.wait_for_selector("text=2 rows are due for the next run")
    assert [line["action"] for line in own.get("/api/audit")["actions"]] == ["retry", "dismiss"]


def test_pausing_and_resetting(own, tab):
    """A pause is seen at once; a reset wants the name typed."""
    looking = tab(own.url)
    page = looking.open("/syncs/people")
    page.click("button:text-is('Pause')")
    page.wait_for_selector("text=people is paused")
    looking.look("sync-paused")
    page.click("button:text-is('Unpause')")
    page.fill("input[name=confirm]", "peopel")
    page.click("button:text-is('Reset')")
    page.wait_for_selector("text=to confirm")
    looking.faults.clear()  # the browser notes that the answer was no
    looking.look("reset-refused")
    page.go_back()
    page.fill("input[name=confirm]", "people")
    page.click("button:text-is('Reset')")
    page.wait_for_selector("text=is forgotten")


def test_it_works_without_javascript(own, tab):
    """All but the live progress: pages, search, forms."""
    looking = tab(own.url, javascript=False)
    page = looking.open("/syncs/people")
    page.click("text=Dry run >> nth=0")
    page.wait_for_selector("text=Plan of people")
    page.goto(own.url + "/syncs/people/rejected")
    page.click("button:text-is('Dismiss all')")
    page.wait_for_selector("h1:text-is('Dismiss 2 rejected rows of people?')")
    page.click("button:text-is('Dismiss 2 rejected rows')")
    page.wait_for_selector("text=2 rows are set aside until they change; retry undoes it")
    page.goto(own.url + "/syncs/people")
    page.click("button:text-is('Pause')")
    page.wait_for_selector("text=people is paused")


def test_it_works_by_keyboard(shop, tab):
    """The first stop skips to the content; each stop can be seen; Enter follows it."""
    looking = tab(shop.url)
    page = looking.open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(5):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        if "/syncs/" in page.evaluate("document.activeElement.href"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/syncs/**")
