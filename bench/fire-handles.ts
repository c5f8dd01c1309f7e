import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What a process has open, by what is at the other end; empty where the system does not tell. */
export function handlesOf(pid: number | undefined, ports: Readonly<Record<string, number>>) {
  const names = new Map(Object.entries(ports).map(([name, port]) => [port, name]));
  const found = new Map<string, number>();
  const sockets = socketsOf(pid);
  for (const link of linksOf(pid)) {
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    const ends = inode === undefined ? undefined : sockets.get(inode);
    const kind = ends === undefined ? link.split(":")[0] : (names.get(ends.far) ?? names.get(ends.near));
    const name = kind ?? "other sockets";
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  return Object.fromEntries(found);
}

function linksOf(pid: number | undefined): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
        return link.startsWith("/") ? ["files"] : [link];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

/** The ports at both ends of its sockets, by inode. */
function socketsOf(pid: number | undefined): ReadonlyMap<string, { near: number; far: number }> {
  const found = new Map<string, { near: number; far: number }>();
  for (const family of ["tcp", "tcp6"]) {
    for (const line of textOf(`/proc/${pid}/net/${family}`).split("\n").slice(1)) {
      const [, near = "", far = "", , , , , , , inode = ""] = line.trim().split(/\s+/);
      found.set(inode, { near: portOf(near), far: portOf(far) });
    }
  }
  return found;
}

function portOf(address: string): number {
  return Number.parseInt(address.split(":")[1] ?? "0", 16);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
