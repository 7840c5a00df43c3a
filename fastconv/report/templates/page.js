"use strict";
(() => {
  // Folded rows, unfolded by the button in their first cell.
  for (const button of document.querySelectorAll(".fold")) {
    const details = document.getElementById(button.getAttribute("aria-controls"));
    const unfold = (open) => {
      button.setAttribute("aria-expanded", String(open));
      details.hidden = !open;
    };
    unfold(false);
    button.addEventListener("click", () => unfold(details.hidden));
  }

  // Sorting: a click on a header sorts, another turns the order round. What has no value stays last.
  const valueOf = (item, column) => {
    const cell = item.rows[0].cells[column];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const text = cell.textContent.trim();
    return text === "" || text === "-" ? null : text;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  for (const table of document.querySelectorAll("table.sortable")) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      header.firstElementChild.addEventListener("click", () => {
        const descending = header.getAttribute("aria-sort") === "ascending";
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const items = [...table.tBodies].map((item) => [valueOf(item, column), item]);
        items.sort(([a], [b]) => {
          if (a === null || b === null) return (a === null) - (b === null);
          return descending ? compare(b, a) : compare(a, b);
        });
        table.append(...items.map(([, item]) => item));
      });
    });
  }

  // Filtering: items whose row or heading holds every word stay.
  for (const input of document.querySelectorAll("[data-filter]")) {
    const items = [...document.getElementById(input.dataset.filter).children].filter((child) => child.classList.contains("item"));
    const texts = new Map(items.map((item) => [item, (item.rows?.[0] ?? item.querySelector("h3")).textContent.toLowerCase()]));
    const status = input.closest(".filter").querySelector("[role=status]");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        item.hidden = !words.every((word) => texts.get(item).includes(word));
        shown += !item.hidden;
      }
      status.textContent = words.length ? `${shown} of ${items.length}` : "";
    });
  }

  // The data of the page, saved as a file.
  const record = document.getElementById("record").textContent;
  const link = document.getElementById("download");
  link.href = URL.createObjectURL(new Blob([record], { type: "application/json" }));
})();
