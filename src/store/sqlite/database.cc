#include "store/sqlite/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "host/file.h"
#include "host/scheduling.h"
#include "store/sqlite/schema.h"

namespace millrace::store {
namespace {

constexpr std::chrono::milliseconds kPatience{50};

Result<std::int64_t> read_meta(Connection& connection, std::string_view name) {
  return connection.query_integer(fmt::format("SELECT value FROM meta WHERE name = '{}'", name));
}

Result<void> write_meta(Writer& writer) {
  const std::pair<std::string_view, std::int64_t> figures[] = {{"revision", writer.revision},
                                                               {"fence", writer.fence}};
  for (const auto& [name, value] : figures) {
    TRY_VOID(writer.write_meta->bind(1, value).bind(2, name).run());
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Database>> Database::open(const std::string& path,
                                                 std::span<const char* const> steps) {
  // Debian 12's SQLite can lose pages of the WAL when two connections write; the lock keeps it to one process, the
  // writing thread to one connection.
  auto lock = host::lock_file(path + ".lock");
  if (!lock && lock.error().code == ErrorCode::kConflict) {
    return failure(ErrorCode::kConflict,
                   fmt::format("open the database {}: another server has it open", path));
  }
  if (!lock) return std::unexpected(std::move(lock.error()));
  {  // SQLite creates its files with the mode of the database file.
    const host::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) return std::unexpected(errno_error("open the database " + path, errno));
  }
  Writer writer(TRY(Connection::open(path, false)));
  Connection& connection = writer.connection;
  TRY_VOID(
      connection.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; "
                      "PRAGMA wal_autocheckpoint = 4000"));
  TRY_VOID(migrate(connection, path, steps));
  writer.find = TRY(connection.prepare("SELECT revision FROM record WHERE key = ?1"));
  writer.put = TRY(connection.prepare(
      "INSERT INTO record VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?2, revision = ?3"));
  writer.erase = TRY(connection.prepare("DELETE FROM record WHERE key = ?1"));
  writer.usage = TRY(UsageWriter::prepare(connection));
  writer.write_meta = TRY(connection.prepare("UPDATE meta SET value = ?1 WHERE name = ?2 AND value != ?1"));
  Connection records = TRY(Connection::open(path, true));
  Connection usage = TRY(Connection::open(path, true));
  std::shared_ptr<Database> database(
      new Database(*std::move(lock), std::move(writer), std::move(records), std::move(usage)));
  TRY_VOID(database->reload());
  database->thread_ = std::thread([self = database.get()] { self->run(); });
  return database;
}

Database::Database(host::Fd lock, Writer writer, Connection records, Connection usage)
    : lock_(std::move(lock)),
      writer_(std::move(writer)),
      records_reader_{.mutex = {}, .connection = std::move(records)},
      usage_reader_{.mutex = {}, .connection = std::move(usage)} {}

Database::~Database() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Database::subscribe(Store::Listener listener) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.push_back(std::move(listener));
}

Result<std::int64_t> Database::write(Work work, const Transaction* change) {
  return enqueue(Job(std::move(work), change, false));
}

Result<std::int64_t> Database::write_patiently(Work work) {
  return enqueue(Job(std::move(work), nullptr, true));
}

Result<std::int64_t> Database::enqueue(Job job) {
  auto done = job.done.get_future();
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(&job);
    if (!job.patient) hurry();
  }
  changed_.notify_one();
  if (job.patient && done.wait_for(kPatience) == std::future_status::timeout) {
    const std::lock_guard lock(mutex_);
    job.patient = false;
    hurry();
  }
  done.wait();
  return std::move(job.result);
}

/// With mutex_ held.
void Database::hurry() {
  if (way_ != nullptr) way_->hurry();
}

// Whoever comes while a commit is syncing joins the next one: groups form under load, and a lone writer never waits.
void Database::run() {
  host::run_in_background();
  std::vector<Job*> group;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      group = std::exchange(queue_, {});
    }
    if (auto committed = commit_giving_way(group); !committed) {
      static_cast<void>(writer_.connection.exec("ROLLBACK"));
      static_cast<void>(reload());
      for (Job* job : group) {
        if (job->result) job->result = std::unexpected(committed.error());
      }
    } else {
      commits_.fetch_add(1, std::memory_order_relaxed);
      const std::lock_guard lock(listeners_mutex_);
      for (const Job* job : group) {
        if (!job->result || job->change == nullptr) continue;
        for (const auto& listener : listeners_) listener(*job->result, *job->change);
      }
    }
    for (Job* job : group) job->done.set_value();
  }
}

Result<void> Database::commit_giving_way(std::vector<Job*>& group) {
  host::GiveWay way;
  {
    const std::lock_guard lock(mutex_);
    const auto waits = [](const Job* job) { return job->patient; };
    if (std::ranges::all_of(group, waits) && std::ranges::all_of(queue_, waits)) way_ = &way;
  }
  if (way_ != nullptr) way.begin();
  auto committed = commit_group(group);
  way.hurry();
  const std::lock_guard lock(mutex_);
  way_ = nullptr;
  return committed;
}

Result<void> Database::commit_group(std::vector<Job*>& group) {
  TRY_VOID(writer_.connection.exec("BEGIN IMMEDIATE"));
  for (Job* job : group) TRY_VOID(run_job(*job));
  TRY_VOID(write_meta(writer_));
  return writer_.connection.exec("COMMIT");
}

/// An error here is one of the whole group; the job's own stands in its result.
Result<void> Database::run_job(Job& job) {
  TRY_VOID(writer_.connection.exec("SAVEPOINT job"));
  const auto before = std::pair(writer_.revision, writer_.fence);
  job.result = job.work(writer_);
  if (!job.result) {
    if (!writer_.connection.in_transaction()) return std::unexpected(job.result.error());
    std::tie(writer_.revision, writer_.fence) = before;
    writer_.usage->forget();
    TRY_VOID(writer_.connection.exec("ROLLBACK TO job"));
  }
  return writer_.connection.exec("RELEASE job");
}

Result<void> Database::reload() {
  writer_.revision = TRY(read_meta(writer_.connection, "revision"));
  writer_.fence = TRY(read_meta(writer_.connection, "fence"));
  writer_.usage->forget();
  return {};
}

}  // namespace millrace::store
