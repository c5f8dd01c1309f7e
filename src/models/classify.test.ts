import * as fc from "fast-check";
import { expect, test } from "vitest";
import { classify } from "./classify.ts";
import { excerpt, withoutKeys } from "./redact.ts";
import { retryAfterMs } from "./retry-after.ts";

test("whatever is thrown becomes a failure, and sorting it never throws", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const failure = classify(value);
      expect(typeof failure.words).toBe("string");
      expect(failure.code).not.toBe("unknown-model");
    }),
  );
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  expect(classify(circular)).toMatchObject({ code: "overloaded", words: "an error without words" });
});

const at = (type: string, message: string): string => classify({ type, message }).code;

test("errors inside a stream are sorted by the provider's own words", () => {
  expect(at("overloaded_error", "Overloaded")).toBe("overloaded");
  expect(at("rate_limit_error", "slow down")).toBe("rate-limited");
  expect(at("invalid_request_error", "prompt is too long: 210000 tokens")).toBe("context-too-long");
  expect(at("invalid_request_error", "API key not valid. Please pass a valid API key.")).toBe("unauthorised");
  expect(at("invalid_request_error", "tools.0 is odd")).toBe("bad-request");
  expect(at("server_error", "the server had an error")).toBe("overloaded");
});

test("the wait is read from seconds, milliseconds, a date or Google's body", () => {
  expect(retryAfterMs({ "retry-after": "2" }, "")).toBe(2000);
  expect(retryAfterMs({ "retry-after": "0.25" }, "")).toBe(250);
  expect(retryAfterMs({ "retry-after-ms": "150", "retry-after": "9" }, "")).toBe(150);
  const date = "Mon, 05 Jan 2026 09:00:00 GMT";
  expect(retryAfterMs({ "retry-after": "Mon, 05 Jan 2026 09:00:30 GMT", date }, "")).toBe(30_000);
  expect(retryAfterMs({ "retry-after": "Mon, 05 Jan 2026 08:59:00 GMT", date }, "")).toBe(0);
  expect(retryAfterMs({}, '{"error":{"details":[{"retryDelay":"13s"}]}}')).toBe(13_000);
  for (const odd of ["soon", "-1", ""]) expect(retryAfterMs({ "retry-after": odd }, "")).toBeNull();
});

test("no key survives, whole or masked, and an excerpt is short", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 8 }), fc.string(), fc.string(), (key, before, after) => {
      fc.pre(!"[key removed]".includes(key));
      expect(withoutKeys(before + key + after, [key])).not.toContain(key);
    }),
  );
  expect(withoutKeys("Incorrect API key provided: sk-proj-********abcd.", [])).not.toContain("abcd");
  expect(withoutKeys("Authorization: Bearer abc.def-123", [])).not.toContain("abc.def");
  expect(excerpt("x".repeat(5000), []).length).toBeLessThan(310);
});
