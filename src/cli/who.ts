import { userInfo } from "node:os";

/** The name under which answers and undos are kept: the login name, where the system knows one. */
export function who(): string {
  try {
    return userInfo().username;
  } catch {
    return "cli";
  }
}
