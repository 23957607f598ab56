"use strict";

/* What was scored is kept in the browser, so that a tab that was closed goes on where it was; images are not kept. */

const DATABASE = "lesionflow", ROWS = "rows";
const GATHERED = 1000; // milliseconds of rows that are written together: a write costs as much as several images' reading

function asPromise(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** The rows of a model, by the key of their file; writes are gathered, and none of them is waited for. */
class KeptRows {
  /** digest: of the model and of what reads images for it; onFailure: told once where nothing more can be kept. */
  constructor(digest, onFailure) {
    const place = location.pathname.replace(/[^/]*$/, ""); // of the page, which may have had another model
    Object.assign(this, { digest, place, onFailure, pending: [], opening: null, database: null, failed: false, writing: null, hurry: () => {} });
  }

  /** The rows that are kept; none where the browser has no database for this page. */
  async open() {
    try {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(ROWS);
      this.opening = asPromise(request);
      this.database = await this.opening;
      const rows = this.database.transaction(ROWS).objectStore(ROWS);
      return await asPromise(rows.getAll(IDBKeyRange.bound([this.digest], [this.digest, []])));
    } catch (error) {
      this.#fail(error);
      return [];
    }
  }

  add(row) {
    if (this.failed) return;
    this.pending.push(row);
    this.writing ??= this.#write();
  }

  /** Write what is gathered now, as when the tab may be closed. */
  flush() {
    this.hurry();
  }

  /** Remove the model's rows, and those that pages at this place kept of other models; others' pages have theirs. */
  async clear() {
    this.pending = [];
    this.hurry();
    await this.writing;
    if (!this.database) return;
    const rows = this.database.transaction(ROWS, "readwrite").objectStore(ROWS);
    await asPromise(rows.delete(IDBKeyRange.bound([this.digest], [this.digest, []])));
    const left = rows.openCursor();
    for (let at = await asPromise(left); at; at = await asPromise(left)) {
      if (at.value.place === this.place) at.delete();
      at.continue();
    }
    this.failed = false;
  }

  #gather() {
    return new Promise((resolve) => {
      this.hurry = resolve;
      setTimeout(resolve, GATHERED);
    });
  }

  async #write() {
    try {
      await this.opening;
      while (this.pending.length) {
        if (!document.hidden) await this.#gather();
        const rows = this.pending.splice(0);
        const transaction = this.database.transaction(ROWS, "readwrite", { durability: "relaxed" });
        for (const row of rows) transaction.objectStore(ROWS).put({ ...row, place: this.place }, [this.digest, row.key]);
        transaction.commit?.(); // as nothing more comes, and the tab may be closed
        await new Promise((resolve, reject) => {
          transaction.oncomplete = resolve;
          transaction.onabort = transaction.onerror = () => reject(transaction.error);
        });
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.writing = null;
    }
  }

  #fail(error) {
    if (!this.failed) this.onFailure(error);
    this.failed = true;
    this.pending = [];
  }
}

/** What tells one file from another: a photograph that was taken again has another time. Where another folder of the same
    name has a file of the same size and time, a sample of its content is added. */
const keyOf = (path, file, sample = "") => `${path}\n${file.size}\n${file.lastModified}${encodeURIComponent(sample)}`;
const pathOf = (key) => key.split("\n").slice(0, -2).join("\n"); // a name may have lines
