"""Pages as a browser lays them out: what it measures of them, headless and without a network."""

import html
import json
import shutil
import subprocess

import pytest

_MEASURE = """
addEventListener('load', () => {
  const found = {wide: document.documentElement.scrollWidth > innerWidth,
    dark: matchMedia('(prefers-color-scheme: dark)').matches, faults: [], texts: 0};
  const fault = (...what) => found.faults.push(what.join(': '));
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = numbers(colour).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = getComputedStyle(document.body).backgroundColor;
  const contrast = colour => {
    const [a, b] = [luminance(colour), luminance(paper)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  for (const entry of performance.getEntriesByType('resource')) fault('asks for', entry.name);
  for (const svg of document.querySelectorAll('svg')) {
    const name = svg.querySelector('title').textContent, outer = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim());
    const boxes = texts.map(t => t.getBoundingClientRect());
    texts.forEach((text, i) => {
      const box = boxes[i], said = text.textContent;
      if (box.left < outer.left - 1 || box.right > outer.right + 1 || box.top < outer.top - 1
        || box.bottom > outer.bottom + 1) fault(name, said, 'lies outside');
      if (contrast(getComputedStyle(text).fill) < 4.5) fault(name, said, 'has little contrast');
      for (let j = i + 1; j < texts.length; j++) {
        const other = boxes[j];
        const across = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const up = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        if (across > 1 && up > 0.35 * Math.min(box.height, other.height))
          fault(name, said, 'lies on ' + texts[j].textContent);
      }
      found.texts++;
    });
  }
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest('svg,script')) continue;
    if (contrast(getComputedStyle(element).color) < 4.5) fault(node.textContent.slice(0, 30), 'has little contrast');
  }
  parent.measured(name, found);
});
"""


def browser():
    """Return the path of Chromium, or skip the test and say so."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium here: apt-get install chromium")
    return found


def measured(pages, widths, dark, folder):
    """Return what a browser finds of pages by (name, width) [px]: texts of drawings, faults, and whether it is dark.

    A fault is a label on another one or beyond its drawing, a text of a contrast below 4.5 (Web Content Accessibility
    Guidelines 2.2, 1.4.3), or anything that is asked of a network.
    """
    frames = []
    for name, page in pages.items():
        for width in widths:
            key = json.dumps(f"{name} {width}")
            script = f"<script>const name = {key};{_MEASURE}</script></body>"
            inside = html.escape(page.replace("</body>", script), quote=True)
            frames.append(
                f'<iframe style="width:{width}px;height:3000px;border:0" srcdoc="{inside}"></iframe>'
            )
    tell = (
        "<script>const every={};window.measured=(name,found)=>{every[name]=found;"
        "document.getElementById('told').textContent=JSON.stringify(every)}</script>"
    )
    path = folder / f"frames-{'dark' if dark else 'light'}.html"
    path.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><body><pre id="told"></pre>{tell}{"".join(frames)}</body>',
        encoding="utf-8",
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [browser(), *flags, scheme, f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    done = subprocess.run(command, check=True, timeout=300, capture_output=True, text=True)
    told = done.stdout.partition('<pre id="told">')[2].partition("</pre>")[0]
    return {tuple(key.rsplit(" ", 1)): found for key, found in json.loads(html.unescape(told)).items()}
