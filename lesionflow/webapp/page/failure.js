"use strict";

/** One image cannot be decoded; `reason` is a word of the report's column `error`. */
class ImageFailure extends Error {
  constructor(reason, detail) {
    super(`${reason}: ${detail}`);
    this.reason = reason;
    this.detail = detail;
  }
}
