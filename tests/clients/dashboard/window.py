"""A window of a real Chromium, driven by its own driver."""

import base64
import json
import os
import pathlib
import shutil
import tempfile
import time
import urllib.parse

from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.support.expected_conditions import alert_is_present
from selenium.webdriver.support.ui import Select, WebDriverWait

from harness.tooling import TARGET

LIMIT_S = 60
RULES = pathlib.Path(os.environ["NODE_PATH"]) / "axe-core" / "axe.min.js"
PICTURES = TARGET / "dashboard"
SERIOUS = ("serious", "critical")


def is_gone(error):
    """What was found is not there, or no more: pages replace parts of themselves, and load.

    Between two steps of its own the driver says so in the browser's words.
    """
    kinds = (NoSuchElementException, StaleElementReferenceException)
    return isinstance(error, kinds) or "does not belong to the document" in str(error)


def segment(name):
    """A name in a path, as the links of the dashboard have it."""
    special = name in (b"", b".", b"..") or name.startswith(b"~")
    return "~" * special + urllib.parse.quote(name, safe="")


class Window:
    def __init__(self, url):
        self.url = url
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(argument)
        self.files = pathlib.Path(tempfile.mkdtemp(dir=os.environ["MILLSTREAM_TEST_SCRATCH"]))
        options.add_experimental_option("prefs", {"download.default_directory": str(self.files)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(LIMIT_S)
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.desktop()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.driver.quit()

    def open(self, path, waits_for="h1"):
        self.driver.get(self.url + path)
        self.until(waits_for)

    def open_stream(self, name):
        self.open(f"/streams/{segment(name)}")

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def until(self, selector):
        return self.wait(lambda: self.one(selector), f"{selector} never came")

    def until_text(self, selector, text):
        def there():
            return any(text in element.text for element in self.all(selector))
        self.wait(there, f"{selector} never had {text!r}")

    def wait(self, found, otherwise):
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                answer = found()
                if answer:
                    return answer
            except WebDriverException as error:
                if not is_gone(error):
                    raise
            if time.monotonic() > end:
                body = self.one("body").text[:1500]
                raise AssertionError(f"{otherwise}; the page says {body!r}")
            time.sleep(0.05)

    def click(self, selector):
        self.press_found(lambda: self.one(selector), f"{selector} could not be clicked")

    def click_button(self, text, within="body"):
        def find():
            for button in self.all(f"{within} button"):
                if button.text.strip() == text and button.is_displayed():
                    return button
        self.press_found(find, f"there is no button {text!r}")

    def click_summary(self, text):
        def find():
            for summary in self.all("details > summary"):
                if summary.text.strip() == text:
                    return summary
        self.press_found(find, f"there is nothing to open called {text!r}")

    def links(self, text):
        return self.driver.find_elements(By.XPATH, f"//main//a[normalize-space()='{text}']")

    def click_link(self, text):
        def find():
            return next(iter(self.links(text)), None)
        self.press_found(find, f"there is no link {text!r}")

    def press_found(self, find, otherwise):
        """What goes away before it is clicked is looked for again."""
        def press():
            found = find()
            if found:
                # Beyond what lies over the edge of a window.
                self.script("arguments[0].scrollIntoView({block: 'center'})", found)
                found.click()
            return found
        self.wait(press, otherwise)

    def type(self, name, text, within="body"):
        field = self.one(f"{within} [name={name}]")
        field.clear()
        field.send_keys(text)

    def choose(self, name, value, within="body"):
        Select(self.one(f"{within} select[name={name}]")).select_by_value(value)

    def answer(self, is_yes):
        """To what a page asks before what cannot be undone."""
        dialog = WebDriverWait(self.driver, LIMIT_S).until(alert_is_present())
        if is_yes:
            dialog.accept()
        else:
            dialog.dismiss()

    def downloaded(self, name):
        """What is in a file that a link gave."""
        path = self.files / name
        self.wait(path.exists, f"{name} was not downloaded")
        return path.read_bytes()

    def unfold(self):
        """Opens all that can be opened."""
        self.script("document.querySelectorAll('details').forEach(one => { one.open = true; })")

    def column(self, number):
        """What a column of the live table says, at one moment: it is drawn anew all the time."""
        cells = f"#live tbody tr > :nth-child({number})"
        text = "return [...document.querySelectorAll(arguments[0])].map(it => it.innerText.trim())"
        return self.script(text, cells)

    def press(self, key):
        ActionChains(self.driver).send_keys(key).perform()

    def focused(self):
        return self.driver.switch_to.active_element

    # How it is looked at.

    def media(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        # Colours change slowly, and what is between is nobody's.
        still = "return document.getAnimations().length === 0"
        self.wait(lambda: self.script(still), "colours go on to change")

    def dark(self):
        self.media("dark")

    def size(self, width, height, is_phone):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def desktop(self):
        self.media("light")
        self.size(1280, 900, False)

    def phone(self):
        self.media("light")
        self.size(390, 844, True)

    def scripts(self, run):
        command = {"value": not run}
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", command)

    def is_wider_than_its_screen(self):
        return self.script("return document.documentElement.scrollWidth > innerWidth + 1")

    def picture(self, name):
        """The whole page, as high as it is (within reason)."""
        height = min(self.script("return document.documentElement.scrollHeight"), 3000)
        width = self.script("return innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        command = {"captureBeyondViewport": True, "clip": clip}
        answer = self.driver.execute_cdp_cmd("Page.captureScreenshot", command)
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(answer["data"]))

    # What must not be.

    def finds_nothing_inaccessible(self, how):
        if not self.script("return 'axe' in window"):
            self.script(RULES.read_text())
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then(done, error => done({error: String(error)}))"
        )
        if "error" in found:
            raise AssertionError(found["error"])
        bad = [
            f"{one['id']} ({one['impact']}): {one['help']}: {len(one['nodes'])} times, such as "
            + ", ".join(node["html"][:200] for node in one["nodes"][:3])
            for one in found["violations"] if one["impact"] in SERIOUS
        ]
        if bad:
            raise AssertionError(f"{how}: " + "; ".join(bad))

    def forget_console(self):
        self.driver.get_log("browser")

    def is_clean(self):
        """Nothing on the console, and nothing asked of other hosts."""
        said = [line["message"] for line in self.driver.get_log("browser")]
        if said:
            raise AssertionError(f"on the console: {said}")
        for line in self.driver.get_log("performance"):
            # What the live part gets stands here, too, and is long.
            if "Network.requestWillBeSent" not in line["message"]:
                continue
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked = message["params"]["request"]["url"]
                is_ours = asked.startswith((self.url + "/", "data:")) or asked == self.url
                if not is_ours and not asked.startswith("http://127.0.0.1:"):
                    raise AssertionError(f"asked of another host: {asked}")
