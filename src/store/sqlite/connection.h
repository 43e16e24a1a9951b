// One SQLite connection and its statements, as values and Results.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::store {

/// A prepared statement, used again and again: bind, step, read columns, reset. Parameters count from 1, columns
/// from 0. Bound texts must live until the reset.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Statement& bind(int at, std::int64_t value);
  Statement& bind(int at, std::string_view text);
  Statement& bind_blob(int at, std::string_view bytes);
  Statement& bind(int at, const std::optional<std::int64_t>& value);
  /// True: there is a row. A bind that failed shows here.
  Result<bool> step();
  /// step, expecting no row, and reset.
  Result<void> run();
  std::int64_t integer(int column) const;
  std::optional<std::int64_t> maybe_integer(int column) const;
  std::string text(int column) const;
  void reset();

 private:
  void note(int code);
  struct Close {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Close> statement_;
  int bind_code_ = SQLITE_OK;  // of the first bind that failed
};

/// Resets a statement at the end of a scope, so that a half-read one never holds a snapshot open.
class ResetGuard {
 public:
  explicit ResetGuard(Statement& statement) : statement_(statement) {}
  ~ResetGuard() { statement_.reset(); }
  ResetGuard(const ResetGuard&) = delete;
  ResetGuard& operator=(const ResetGuard&) = delete;

 private:
  Statement& statement_;
};

/// One thread at a time.
class Connection {
 public:
  static Result<Connection> open(const std::string& path, bool read_only);
  /// Several statements without parameters or rows.
  Result<void> exec(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  /// The one integer that a query answers.
  Result<std::int64_t> query_integer(std::string_view sql);
  /// Rows that the last INSERT, UPDATE or DELETE changed.
  std::int64_t changes() const { return sqlite3_changes64(db_.get()); }
  /// False also after an error that made SQLite roll the whole transaction back.
  bool in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  explicit Connection(sqlite3* db) : db_(db) {}
  std::unique_ptr<sqlite3, Close> db_;
};

/// The connection's last error: kExhausted when the disk is full, kCorrupt when the file is damaged or none of
/// SQLite's. A failed sync does not return (host::fatal).
Error sqlite_error(sqlite3* db, std::string_view what, int code);

}  // namespace millrace::store
