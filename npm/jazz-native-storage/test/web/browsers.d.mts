/** What others use of `browsers.mjs`. */
import type { Browser, Page } from "puppeteer-core";

export type BrowserName = "chromium" | "firefox";

export const PROGRAMS: Readonly<Record<BrowserName, string>>;

export function serve(
  directory: string,
  options?: { isDeployed?: boolean },
): Promise<{ url: string; close: () => void }>;

export function makeProfile(): string;
export function removeProfile(profile: string): void;

export interface LaunchedBrowser {
  readonly kind: BrowserName;
  readonly browser: Browser;
  readonly profile: string;
  open(url: string, options?: { ready?: string }): Promise<Page & { problems: string[] }>;
  kill(): Promise<void>;
  close(): Promise<void>;
}

export function launch(
  kind: BrowserName,
  options?: { profile?: string; keepProfile?: boolean; isPrivate?: boolean },
): Promise<LaunchedBrowser>;
