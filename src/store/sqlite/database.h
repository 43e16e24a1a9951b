// The SQLite database of a server: one writing connection in a thread of its own, which commits in groups.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "host/fd.h"
#include "host/scheduling.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/usage_writer.h"
#include "store/store.h"

namespace millrace::store {

/// What the writing thread owns. Figures of `meta` are written once a group, before the commit.
struct Writer {
  explicit Writer(Connection to) : connection(std::move(to)) {}
  Connection connection;
  std::int64_t revision = 0;
  std::int64_t fence = 0;
  std::optional<Statement> find, put, erase, write_meta;
  std::optional<UsageWriter> usage;
};

/// Every method is safe from any thread.
class Database {
 public:
  /// Opens (creating, migrating) the file. kConflict if another process has it open, or the schema is newer.
  static Result<std::shared_ptr<Database>> open(const std::string& path,
                                                std::span<const char* const> migrations);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs `work` on the writing thread, inside a transaction shared with others, and returns after the commit. If
  /// `work` fails, nothing of it remains. `change`: what the listeners are told, with the revision that work answers.
  using Work = std::function<Result<std::int64_t>(Writer&)>;
  Result<std::int64_t> write(Work work, const Transaction* change = nullptr);
  /// The same, giving way to what else the machine does (host/scheduling.h), for 50 ms at most and unless someone else
  /// writes meanwhile.
  Result<std::int64_t> write_patiently(Work work);

  void subscribe(Store::Listener listener);
  /// Commits done, each with one sync.
  std::uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }

  /// A read-only connection: use it with its mutex held.
  struct Reader {
    std::mutex mutex;
    Connection connection;
  };
  Reader& records_reader() { return records_reader_; }
  Reader& usage_reader() { return usage_reader_; }

 private:
  struct Job {
    Job(Work what, const Transaction* told, bool waits)
        : work(std::move(what)), change(told), patient(waits) {}
    Work work;
    const Transaction* change = nullptr;
    bool patient = false;  // written by who waits for it, with mutex_ held once it is in the queue
    Result<std::int64_t> result = 0;
    std::promise<void> done;
  };
  Database(host::Fd lock, Writer writer, Connection records, Connection usage);
  Result<std::int64_t> enqueue(Job job);
  void hurry();
  void run();
  Result<void> commit_giving_way(std::vector<Job*>& group);
  Result<void> commit_group(std::vector<Job*>& group);
  Result<void> run_job(Job& job);
  Result<void> reload();

  const host::Fd lock_;
  Writer writer_;  // owned by thread_
  Reader records_reader_, usage_reader_;
  std::atomic<std::uint64_t> commits_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Job*> queue_;                 // guarded by mutex_
  host::GiveWay* way_ = nullptr;            // written with mutex_ held: while the writing thread gives way
  bool stop_ = false;                       // guarded by mutex_
  std::vector<Store::Listener> listeners_;  // guarded by listeners_mutex_
  std::mutex listeners_mutex_;
  std::thread thread_;
};

}  // namespace millrace::store
