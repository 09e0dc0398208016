"use strict";
(() => {
  const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });
  /** Text as it is searched for: whatever its case, its accents and the digits it is written in. */
  const folded = (text) =>
    text
      .normalize("NFKD")
      .replace(/\p{M}/gu, "")
      .toLocaleLowerCase()
      .replace(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => String(digit.charCodeAt(0) & 15));

  /** Write a whole number in the digits of the page. */
  const written = (number, digits) =>
    String(number).replace(/[0-9]/g, (digit) => Array.from(digits)[Number(digit)]);

  /** Compare cells by their value, or else by their text; what is not known comes last. */
  const comparing = (column, sign) => (left, right) => {
    const [a, b] = [left.cells[column], right.cells[column]];
    const [x, y] = [a.dataset.value, b.dataset.value];
    if (x !== undefined && y !== undefined) return sign * (Number(x) - Number(y));
    if (x !== undefined || y !== undefined) return x === undefined ? 1 : -1;
    return sign * collator.compare(a.textContent, b.textContent);
  };

  const sortBy = (table, column, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", direction);
    const body = table.tBodies[0];
    body.append(...Array.from(body.rows).sort(comparing(column, sign)));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const second = first === "descending" ? "ascending" : "descending";
      button.addEventListener("click", () => {
        sortBy(table, column, head.getAttribute("aria-sort") === first ? second : first);
      });
    });
  }

  for (const tools of document.querySelectorAll("[data-tools-for]")) {
    const rows = Array.from(document.getElementById(tools.dataset.toolsFor).tBodies[0].rows);
    const texts = rows.map((row) => folded(row.textContent));
    const input = tools.querySelector("input");
    const count = tools.querySelector(".count");
    const search = () => {
      const words = folded(input.value).split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, number) => {
        row.hidden = !words.every((word) => texts[number].includes(word));
        shown += row.hidden ? 0 : 1;
      });
      const { words: said, digits } = count.dataset;
      count.textContent = said
        .replace("{shown}", written(shown, digits))
        .replace("{all}", written(rows.length, digits));
    };
    tools.hidden = false;
    input.addEventListener("input", search);
    search();
  }

  /** Unpack the file here, where the browser can; without a script it is saved as it is, packed. */
  const unpacked = async (url) => {
    const packed = Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Blob([await new Response(stream).arrayBuffer()], { type: "text/csv" });
  };

  if ("DecompressionStream" in window) {
    for (const link of document.querySelectorAll("a[data-unpacked]")) {
      link.addEventListener("click", async (event) => {
        event.preventDefault();
        const save = document.createElement("a");
        save.href = URL.createObjectURL(await unpacked(link.href));
        save.download = link.dataset.unpacked;
        save.click();
        setTimeout(() => URL.revokeObjectURL(save.href), 60_000);
      });
    }
  }

  // Paper shows the numbers of every chart, and the whole page whatever was searched for.
  const closed = [];
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      closed.push(details);
    }
  });
  window.addEventListener("afterprint", () => {
    while (closed.length) closed.pop().open = false;
  });
})();
