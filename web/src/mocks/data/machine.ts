// What the machine has.

import type { BaseImage, Finding } from "@/api/types";

export const findings: Finding[] = [
  { check: "podman", level: "ok", message: "Podman 5.4.2 answers, without root", fix: null },
  {
    check: "image",
    level: "ok",
    message: "the base image `localhost/archestra-base:1` is there",
    fix: null,
  },
  { check: "bridge", level: "ok", message: "the bridge fits this program", fix: null },
  {
    check: "space",
    level: "warning",
    message: "3.1 GB are free where installs are kept",
    fix: "`archestra servers remove` what is not used, or move the data directory",
  },
  { check: "registries", level: "ok", message: "npm and PyPI can be reached", fix: null },
];

/** The image that servers run in, before it was made. */
export const image: BaseImage = {
  reference: "localhost/archestra-base:1",
  state: "missing",
  can_be_made: true,
  began_at: null,
  step: null,
  line: null,
  reason: null,
  fix: null,
};

/** Of a machine on which Archestra runs for the first time. */
export const bareFindings: Finding[] = [
  {
    check: "podman",
    level: "ok",
    message: "Podman 5.4.2 runs rootless, by crun, cgroups version 2",
  },
  {
    check: "image",
    level: "problem",
    message: "`localhost/archestra-base:1` is not there",
    fix: "run `archestra image build`",
  },
];
