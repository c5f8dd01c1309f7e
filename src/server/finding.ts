/** One thing `factotum doctor` looked at. */
export type Finding = {
  readonly what: string;
  readonly state: "ok" | "warning" | "broken";
  readonly detail: string;
  readonly remedy?: string;
};
