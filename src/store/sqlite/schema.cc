#include "store/sqlite/schema.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "host/file.h"

namespace millrace::store {
namespace {

// usage: keyed by request id, so that appending twice changes nothing. `by_start` grows at its end only, as ids do.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('revision', 0), ('fence', 0), ('longest_us', 0);
CREATE TABLE record (key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE usage (
  request_id TEXT PRIMARY KEY, client_request_id TEXT NOT NULL, tenant TEXT NOT NULL, project TEXT NOT NULL,
  key_id TEXT NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL, status INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
  energy_uj INTEGER, co2e_ug INTEGER, energy_model TEXT NOT NULL, basis TEXT NOT NULL,
  cost_microeur INTEGER NOT NULL, price_version INTEGER NOT NULL, site TEXT NOT NULL, zone TEXT NOT NULL,
  started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX usage_by_start ON usage (started_us);
)sql";

// Runs of jobs and environments are in the ledger too: accelerators held x milliseconds, CPU time.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE usage ADD COLUMN accelerator_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN cpu_us INTEGER NOT NULL DEFAULT 0;
)sql";

// What records share is kept once, and the index on the start has a row a minute (usage_writer.h).
constexpr const char* kVersion3 = R"sql(
CREATE TABLE usage_context (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, project TEXT NOT NULL, key_id TEXT NOT NULL, endpoint TEXT NOT NULL,
  model TEXT NOT NULL, energy_model TEXT NOT NULL, basis TEXT NOT NULL, site TEXT NOT NULL, zone TEXT NOT NULL,
  price_version INTEGER NOT NULL,
  UNIQUE (tenant, project, key_id, endpoint, model, energy_model, basis, site, zone, price_version));
INSERT INTO usage_context
  SELECT DISTINCT NULL, tenant, project, key_id, endpoint, model, energy_model, basis, site, zone, price_version
  FROM usage;
CREATE TABLE usage_minute (
  minute INTEGER NOT NULL, kind TEXT NOT NULL, first_id TEXT NOT NULL, last_id TEXT NOT NULL,
  last_end_us INTEGER NOT NULL, PRIMARY KEY (minute, kind)) WITHOUT ROWID;
CREATE INDEX usage_minute_by_end ON usage_minute (last_end_us);
INSERT INTO usage_minute
  SELECT started_us / 60000000 AS minute, substr(request_id, 1, max(0, instr(request_id, '_') - 1)) AS kind,
    min(request_id), max(request_id), max(ended_us)
  FROM usage GROUP BY minute, kind;
ALTER TABLE usage RENAME TO usage_2;
CREATE TABLE usage (
  request_id TEXT PRIMARY KEY, client_request_id TEXT NOT NULL, context INTEGER NOT NULL, status INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
  energy_uj INTEGER, co2e_ug INTEGER, cost_microeur INTEGER NOT NULL,
  started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL,
  accelerator_ms INTEGER NOT NULL, cpu_us INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO usage
  SELECT request_id, client_request_id, usage_context.id, status, input_tokens, cached_tokens, output_tokens,
    energy_uj, co2e_ug, cost_microeur, started_us, ended_us, accelerator_ms, cpu_us
  FROM usage_2 JOIN usage_context USING
    (tenant, project, key_id, endpoint, model, energy_model, basis, site, zone, price_version)
  ORDER BY request_id;
DROP TABLE usage_2;
DELETE FROM meta WHERE name = 'longest_us';
)sql";

// Of the output tokens, those that were reasoning; what is older was not asked.
constexpr const char* kVersion4 = R"sql(
ALTER TABLE usage ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
)sql";

constexpr std::array kMigrations = {kVersion1, kVersion2, kVersion3, kVersion4};

/// A whole and durable copy, or none.
Result<void> keep_copy(Connection& connection, const std::string& path, std::int64_t version) {
  const std::string copy = fmt::format("{}.v{}", path, version);
  const std::string temporary = copy + ".tmp";
  TRY_VOID(host::remove_tree(temporary));
  Statement vacuum = TRY(connection.prepare("VACUUM INTO ?1"));
  vacuum.bind(1, std::string_view(temporary));
  TRY_VOID(vacuum.run());
  // VACUUM INTO itself does not sync what it wrote.
  const host::Fd fd(::open(temporary.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || ::fchmod(fd.get(), 0600) != 0 || ::fsync(fd.get()) != 0 ||
      ::rename(temporary.c_str(), copy.c_str()) != 0) {
    return std::unexpected(errno_error("keep a copy of the database at " + copy, errno));
  }
  const auto slash = copy.rfind('/');
  return host::sync_dir(slash == std::string::npos ? "." : copy.substr(0, slash + 1));
}

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

Result<void> migrate(Connection& connection, const std::string& path, std::span<const char* const> steps) {
  const std::int64_t version = TRY(connection.query_integer("PRAGMA user_version"));
  const auto newest = static_cast<std::int64_t>(steps.size());
  if (version > newest || version < 0) {
    return failure(
        ErrorCode::kConflict,
        fmt::format("open the database {}: its schema version is {}, this program knows {}: install the "
                    "newer Millrace again, or put back the copy {}.v{}",
                    path, version, newest, path, newest));
  }
  if (version == newest) return {};
  if (version > 0) TRY_VOID(keep_copy(connection, path, version));
  TRY_VOID(connection.exec("BEGIN IMMEDIATE"));
  for (std::int64_t step = version; step < newest; ++step) {
    if (auto done = connection.exec(steps[static_cast<std::size_t>(step)]); !done) {
      static_cast<void>(connection.exec("ROLLBACK"));
      return done;
    }
  }
  TRY_VOID(connection.exec(fmt::format("PRAGMA user_version = {}", newest)));
  return connection.exec("COMMIT");
}

}  // namespace millrace::store
