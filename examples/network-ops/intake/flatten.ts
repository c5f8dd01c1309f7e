/** HTML mail as plain text that keeps what a reader of tables needs: one row a line, ` | ` between cells. */
import { convert, type DomNode, type FormatCallback } from "html-to-text";

/** Cells with more lines than this are layout, not data, and are written one under another. */
const CELL_LINES_MAX = 6;
/** Nested elements beyond this are cut: no mail that a person reads is that deep. */
const DEPTH_MAX = 200;
/** A `rowspan` is honoured up to this many rows. */
const ROWSPAN_MAX = 500;

type Cell = { readonly text: string; readonly rowspan: number };

/**
 * Flattens HTML. Tables that hold data keep their rows; tables that only lay out the page fall apart
 * into paragraphs. A cell that spans rows is repeated in each. Links give their text, images nothing,
 * and what the sender hid from view (`display:none`) is left out.
 */
export function flattenHtml(html: string): string {
  const text = convert(html, {
    wordwrap: false,
    preserveNewlines: false,
    limits: { maxDepth: DEPTH_MAX, ellipsis: "" },
    formatters: { rows: formatRows, quiet: formatQuiet },
    selectors: [
      { selector: "table", format: "rows" },
      { selector: "a", format: "inline" },
      { selector: "img", format: "skip" },
      { selector: '[style*="display:none"]', format: "skip" },
      { selector: '[style*="display: none"]', format: "skip" },
      ...["h1", "h2", "h3", "h4", "h5", "h6"].map((selector) => ({
        selector,
        format: "quiet",
        options: { leadingLineBreaks: 2, trailingLineBreaks: 1 },
      })),
      { selector: "p", format: "quiet", options: { leadingLineBreaks: 1, trailingLineBreaks: 1 } },
    ],
  });
  return tidyLines(text);
}

/** Same blanks everywhere, no blank at line ends, at most one empty line in a row. */
export function tidyLines(text: string): string {
  return (
    text
      .replaceAll(/\r\n?/g, "\n")
      .replaceAll(/[\u00a0\u2007\u202f\u3000]/g, " ")
      .replaceAll(/\u200b|\u200c|\u200d|\u2060|\ufeff|\u00ad/g, "")
      .split("\n")
      // Not one expression over the whole text: on a million blanks that takes hours.
      .map((line) => line.trimEnd())
      .join("\n")
      .replaceAll(/\n{3,}/g, "\n\n")
      .trim()
  );
}

/** A block without html-to-text's own ideas, such as headings in capitals. */
const formatQuiet: FormatCallback = (element, walk, builder, options) => {
  builder.openBlock({ leadingLineBreaks: options.leadingLineBreaks ?? 1 });
  walk(element.children, builder);
  builder.closeBlock({ trailingLineBreaks: options.trailingLineBreaks ?? 1 });
};

const formatRows: FormatCallback = (element, walk, builder) => {
  builder.openTable();
  const visit = (node: DomNode): void => {
    if (node.type !== "tag") return;
    if (node.name !== "tr") {
      if (["thead", "tbody", "tfoot", "center", "form"].includes(node.name ?? ""))
        node.children?.forEach(visit);
      return;
    }
    builder.openTableRow();
    for (const child of node.children ?? [])
      if (child.type === "tag" && (child.name === "td" || child.name === "th")) {
        builder.openTableCell({});
        walk(child.children, builder);
        builder.closeTableCell({ rowspan: Number(child.attribs?.["rowspan"] ?? 1) || 1 });
      }
    builder.closeTableRow();
  };
  element.children?.forEach(visit);
  builder.closeTable({
    tableToString: (rows: readonly (readonly Cell[])[]) => rowsToText(rows),
    leadingLineBreaks: 1,
    trailingLineBreaks: 1,
  });
};

function rowsToText(rows: readonly (readonly Cell[])[]): string {
  const lines: string[] = [];
  /** Cells of earlier rows that reach into this one, by column. */
  let reaching = new Map<number, { readonly text: string; readonly left: number }>();
  for (const row of rows) {
    const cells: string[] = [];
    const below: typeof reaching = new Map();
    const own = [...row];
    while (own.length > 0 || reaching.has(cells.length)) {
      const above = reaching.get(cells.length);
      const cell = above === undefined ? own.shift() : undefined;
      const text = above?.text ?? cell?.text ?? "";
      const left = above === undefined ? Math.min(cell?.rowspan ?? 1, ROWSPAN_MAX) - 1 : above.left - 1;
      if (left > 0) below.set(cells.length, { text, left });
      cells.push(text);
    }
    reaching = below;
    lines.push(rowToText(cells));
  }
  return lines.filter((line) => line !== "").join("\n");
}

function rowToText(cells: readonly string[]): string {
  const filled = cells.map((cell) => tidyLines(cell)).filter((cell) => cell !== "");
  const layout = filled.some((cell) => cell.split("\n").length > CELL_LINES_MAX || cell.includes(" | "));
  if (filled.length === 1 || layout) return filled.join("\n");
  if (filled.length === 0) return "";
  const last = cells.findLastIndex((cell) => tidyLines(cell) !== "");
  // An empty cell keeps its place, or values would slide under the wrong heading.
  return cells
    .slice(0, last + 1)
    .map((cell) =>
      tidyLines(cell)
        .split("\n")
        .filter((line) => line !== "")
        .join("; "),
    )
    .join(" | ");
}
