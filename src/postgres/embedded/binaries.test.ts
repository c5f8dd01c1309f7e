import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { installedRoot, prepareBinaries } from "./binaries.ts";
import { makeCluster } from "./cluster.ts";

const nobody = { uid: 65_534, gid: 65_534 };
const folders: string[] = [];
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "factotum-binaries-"));
  folders.push(path);
  chmodSync(path, 0o755);
  return path;
}

/** The installed package as npm unpacks it: without a link. */
function freshPackage(): { root: string; targets: readonly string[] } {
  const root = join(folder(), "package");
  cpSync(installedRoot(), root, { recursive: true, verbatimSymlinks: true });
  const list = join(root, "native", "pg-symlinks.json");
  const links = JSON.parse(readFileSync(list, "utf8")) as readonly { target: string }[];
  const targets = links.map(({ target }) => target);
  expect(targets.length).toBeGreaterThan(0);
  for (const target of targets) rmSync(join(root, target), { force: true });
  return { root, targets };
}

test("the library links that npm cannot ship are made in place", () => {
  const { root, targets } = freshPackage();
  const home = { directory: folder(), identity: undefined };
  const { postgres } = prepareBinaries(home, () => {}, root);
  expect(postgres.startsWith(root)).toBe(true);
  for (const target of targets) expect(lstatSync(join(root, target)).isSymbolicLink()).toBe(true);
  expect(execFileSync(postgres, ["--version"], { encoding: "utf8" })).toMatch(/PostgreSQL\) 18\./);
});

test.runIf(process.getuid?.() === 0)("programs out of the server's reach are copied, readable for it", () => {
  const { root } = freshPackage();
  for (const closed of [join(root, "native", "lib"), join(root, "..")]) chmodSync(closed, 0o700);
  const home = { directory: folder(), identity: nobody };
  const said: string[] = [];
  const copied = prepareBinaries(home, (line) => void said.push(line), root);
  expect(copied.postgres.startsWith(home.directory)).toBe(true);
  expect(said).toHaveLength(1);
  const run = { ...nobody, cwd: "/", encoding: "utf8" } as const;
  expect(execFileSync(copied.initdb, ["--version"], run)).toMatch(/18\./);
  expect(prepareBinaries(home, (line) => void said.push(line), root)).toEqual(copied);
  expect(said).toHaveLength(1);
  expect(existsSync(join(root, "native", "lib", "libpq.so.5"))).toBe(false);
});

test("programs whose loader is not there, as on Linux with musl, name the way out", async () => {
  const directory = folder();
  const initdb = join(directory, "initdb");
  writeFileSync(initdb, "#!/no/such/loader\n", { mode: 0o755 });
  const home = { directory, identity: undefined };
  await expect(makeCluster(home, { initdb, postgres: initdb }, () => {})).rejects.toMatchObject({
    code: "platform-unsupported",
    message: expect.stringContaining("DATABASE_URL"),
  });
  expect(existsSync(join(directory, "data"))).toBe(false);
});
