#include "platform/models.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "control/desired.h"
#include "core/id.h"
#include "host/file.h"
#include "platform/fetch.h"

namespace millrace::platform {
namespace {

constexpr std::size_t kSha256Characters = 64;

bool is_sha256(std::string_view text) {
  return text.size() == kSha256Characters &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string record_key(std::string_view name) { return std::string(kModelPrefix) + std::string(name); }

struct Job {
  Model model;
  ModelSource source;
  std::string wanted_sha256;
  store::Revision revision = 0;  // of the record that says importing
  std::shared_ptr<FetchProgress> progress;
};

class LocalModels final : public Models {
 public:
  LocalModels(ModelsOptions options, store::Store& store, const Clock& clock)
      : options_(std::move(options)), store_(store), clock_(clock) {}
  ~LocalModels() override;

  Result<void> recover();
  void start() {
    worker_ = std::thread([this] { work(); });
  }

  Result<Model> import(const ImportRequest& request) override;
  Result<Model> show(std::string_view name) const override;
  Result<Page<Model>> list(std::size_t limit, std::string_view after) const override;
  Result<void> remove(std::string_view name) override;
  Result<std::string> file_of(std::string_view name) const override;
  Result<Model> wait(std::string_view name, std::chrono::milliseconds timeout) const override;

 private:
  std::string blobs() const { return options_.folder + "/blobs"; }
  std::string incoming() const { return options_.folder + "/incoming"; }
  std::string blob(const std::string& sha256) const { return blobs() + "/" + sha256; }

  void work();
  void finish(Job& job, Result<void> outcome);
  Result<void> bring(Job& job);
  Result<void> publish(Job& job, const std::string& file);
  Model with_progress(Model model) const;
  Result<std::vector<Model>> all_models() const;
  Result<void> check_unused(std::string_view name) const;
  Result<store::Record> record_of(std::string_view name) const;

  const ModelsOptions options_;
  store::Store& store_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Job> queue_;  // guarded by mutex_
  std::map<std::string, std::shared_ptr<FetchProgress>, std::less<>>
      progress_;       // guarded by mutex_; by model
  bool stop_ = false;  // guarded by mutex_

  // Held while blobs and the records that name them change together. Taken before mutex_, never after it.
  std::mutex blobs_mutex_;
  std::thread worker_;
};

LocalModels::~LocalModels() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    for (const auto& [name, progress] : progress_) progress->stop = true;
  }
  changed_.notify_all();
  if (worker_.joinable()) worker_.join();
}

Result<std::vector<Model>> LocalModels::all_models() const {
  std::vector<Model> models;
  std::string after;
  for (;;) {
    auto page = TRY(list(identity::kScanRecords, after));
    std::ranges::move(page.data, std::back_inserter(models));
    if (!page.next) return models;
    after = *page.next;
  }
}

Result<void> LocalModels::recover() {
  TRY_VOID(host::make_dirs(blobs(), 0755));
  TRY_VOID(host::remove_tree(incoming()));
  TRY_VOID(host::make_dirs(incoming(), 0700));
  std::set<std::string> used;
  for (Model& model : TRY(all_models())) {
    if (model.state == ModelState::kReady) used.insert(model.sha256);
    if (model.state != ModelState::kImporting) continue;
    model.state = ModelState::kFailed;
    model.error = "the server stopped during the import; import the model again";
    TRY_VOID(store_.commit({.expect = {}, .put = {{record_key(model.name), encode(model)}}, .erase = {}}));
  }
  // A crash between the file's rename and its record's commit leaves a whole file that nothing names.
  for (const std::string& name : TRY(host::list_dir(blobs()))) {
    if (!used.contains(name)) TRY_VOID(host::remove_tree(blob(name)));
  }
  return {};
}

Result<store::Record> LocalModels::record_of(std::string_view name) const {
  auto record = store_.get(record_key(name));
  if (!record && record.error().code == ErrorCode::kNotFound) {
    return failure(ErrorCode::kNotFound, fmt::format("there is no model '{}'", name.substr(0, 64)));
  }
  return record;
}

Model LocalModels::with_progress(Model model) const {
  const std::lock_guard lock(mutex_);
  const auto found = progress_.find(model.name);
  if (found != progress_.end()) model.progress_bytes = found->second->bytes;
  return model;
}

Result<Model> LocalModels::import(const ImportRequest& request) {
  Job job;
  job.source = TRY(parse_source(request.source));
  job.wanted_sha256 = request.sha256;
  if (!job.wanted_sha256.empty() && !is_sha256(job.wanted_sha256)) {
    return failure(ErrorCode::kInvalidArgument, "sha256: want 64 lower-case hexadecimal digits");
  }
  job.model.name = request.name.empty() ? TRY(derive_model_name(request.source)) : request.name;
  if (!is_name(job.model.name)) {
    return failure(ErrorCode::kInvalidArgument,
                   "name: want 1 to 63 of a-z, 0-9, '.' and '-', starting and ending with a letter or digit");
  }
  job.model.source = request.source;
  job.model.created_at = clock_.now();
  job.progress = std::make_shared<FetchProgress>();

  const std::string key = record_key(job.model.name);
  store::Revision before = 0;
  const auto taken = failure(ErrorCode::kConflict, fmt::format("model '{}' exists already", job.model.name));
  const auto found = store_.get(key);
  if (found) {
    if (TRY(parse_model(found->value)).state != ModelState::kFailed) return taken;
    before = found->revision;
  } else if (found.error().code != ErrorCode::kNotFound) {
    return std::unexpected(found.error());
  }
  const auto committed =
      store_.commit({.expect = {{key, before}}, .put = {{key, encode(job.model)}}, .erase = {}});
  if (!committed && committed.error().code == ErrorCode::kConflict) return taken;
  if (!committed) return std::unexpected(committed.error());
  job.revision = *committed;
  Model answer = job.model;
  {
    const std::lock_guard lock(mutex_);
    progress_[job.model.name] = job.progress;
    queue_.push_back(std::move(job));
  }
  changed_.notify_all();
  return answer;
}

void LocalModels::work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    finish(job, bring(job));
  }
}

/// Fetches, checks and publishes one model; the record is committed where it succeeds.
Result<void> LocalModels::bring(Job& job) {
  const std::string folder = incoming() + "/" + job.model.name;
  TRY_VOID(host::remove_tree(folder));
  TRY_VOID(host::make_dirs(folder, 0700));
  // A file that is no model is not worth a copy.
  if (job.source.kind == ModelSource::Kind::kFile) TRY_VOID(read_gguf_file(job.source.value));
  const FetchOptions options{.python = options_.python,
                             .curl = options_.curl,
                             .max_bytes = options_.max_bytes,
                             .timeout = options_.fetch_timeout};
  const std::string file = TRY(fetch(job.source, options, folder, *job.progress));
  job.model.info = TRY(read_gguf_file(file));
  const auto digest = TRY(host::sha256_file(file));
  if (!job.wanted_sha256.empty() && digest.sha256 != job.wanted_sha256) {
    return failure(ErrorCode::kCorrupt,
                   fmt::format("the file's SHA-256 is {}, expected {}: it is not the file that was "
                               "asked for",
                               digest.sha256, job.wanted_sha256));
  }
  job.model.sha256 = digest.sha256;
  job.model.size_bytes = digest.size_bytes;
  job.model.licence = job.model.info.licence;
  TRY_VOID(publish(job, file));
  return host::remove_tree(folder);
}

Result<void> LocalModels::publish(Job& job, const std::string& file) {
  const host::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(errno_error("open " + file, errno));
  // Readable by the engine's user, writable by nobody: its name is a promise about its bytes.
  if (::fchmod(fd.get(), 0444) != 0) return std::unexpected(errno_error("chmod " + file, errno));
  if (::fsync(fd.get()) != 0) return std::unexpected(errno_error("fsync " + file, errno));
  const std::lock_guard blobs_lock(blobs_mutex_);
  const std::string target = blob(job.model.sha256);
  if (::rename(file.c_str(), target.c_str()) != 0)
    return std::unexpected(errno_error("rename to " + target, errno));
  TRY_VOID(host::sync_dir(blobs()));
  Model ready = job.model;
  ready.state = ModelState::kReady;
  const std::string key = record_key(ready.name);
  TRY_VOID(store_.commit({.expect = {{key, job.revision}}, .put = {{key, encode(ready)}}, .erase = {}}));
  return {};
}

void LocalModels::finish(Job& job, Result<void> outcome) {
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    stopping = stop_;
  }
  // When the server stops, the record goes on to say importing, and the next start says why it failed.
  if (!outcome && !stopping) {
    Model failed = job.model;
    failed.state = ModelState::kFailed;
    failed.sha256.clear();
    failed.size_bytes = 0;
    failed.licence.clear();
    failed.error = outcome.error().message;
    const std::string key = record_key(failed.name);
    // If even this fails, the record says importing until the next start.
    (void)store_.commit({.expect = {{key, job.revision}}, .put = {{key, encode(failed)}}, .erase = {}});
    (void)host::remove_tree(incoming() + "/" + failed.name);
  }
  {
    const std::lock_guard lock(mutex_);
    progress_.erase(job.model.name);
  }
  changed_.notify_all();
}

Result<Model> LocalModels::show(std::string_view name) const {
  const auto record = TRY(record_of(name));
  return with_progress(TRY(parse_model(record.value)));
}

Result<Page<Model>> LocalModels::list(std::size_t limit, std::string_view after) const {
  auto page = TRY(identity::page_of<Model>(store_, kModelPrefix, limit, after, parse_model,
                                           [](const Model&) { return true; }));
  for (Model& model : page.data) model = with_progress(std::move(model));
  return page;
}

Result<void> LocalModels::check_unused(std::string_view name) const {
  std::string after;
  for (;;) {
    const auto records = TRY(store_.list(control::kEndpointPrefix, after, identity::kScanRecords));
    for (const store::Record& record : records) {
      const auto endpoint = TRY(control::parse_desired(record.value));
      if (endpoint.engine == "llama" && endpoint.model == name) {
        return failure(
            ErrorCode::kConflict,
            fmt::format("model '{}' is used by endpoint '{}'; delete that first", name, endpoint.name));
      }
    }
    if (records.size() < identity::kScanRecords) return {};
    after = records.back().key;
  }
}

Result<void> LocalModels::remove(std::string_view name) {
  const std::lock_guard blobs_lock(blobs_mutex_);
  const auto record = TRY(record_of(name));
  const Model model = TRY(parse_model(record.value));
  if (model.state == ModelState::kImporting) {
    return failure(ErrorCode::kConflict, fmt::format("model '{}' is being imported", name));
  }
  TRY_VOID(check_unused(name));
  // An endpoint that takes the model in this moment writes the model's record too, so that this commit fails.
  TRY_VOID(store_.commit({.expect = {{record.key, record.revision}}, .put = {}, .erase = {record.key}}));
  if (model.sha256.empty()) return {};
  for (const Model& other : TRY(all_models())) {
    if (other.sha256 == model.sha256) return {};
  }
  return host::remove_tree(blob(model.sha256));
}

Result<std::string> LocalModels::file_of(std::string_view name) const {
  const auto record = TRY(record_of(name));
  const Model model = TRY(parse_model(record.value));
  if (model.state == ModelState::kReady) return blob(model.sha256);
  return failure(ErrorCode::kConflict,
                 fmt::format("model '{}' is not ready, it is {}{}{}", name, name_of(model.state),
                             model.error.empty() ? "" : ": ", model.error));
}

Result<Model> LocalModels::wait(std::string_view name, std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  {
    std::unique_lock lock(mutex_);
    const bool done = changed_.wait_until(lock, deadline, [&] { return stop_ || !progress_.contains(name); });
    if (!done || stop_) {
      return failure(ErrorCode::kTimeout,
                     fmt::format("model '{}' is still being imported", name.substr(0, 64)));
    }
  }
  return show(name);
}

}  // namespace

Result<std::unique_ptr<Models>> Models::create(ModelsOptions options, store::Store& store,
                                               const Clock& clock) {
  auto models = std::make_unique<LocalModels>(std::move(options), store, clock);
  TRY_VOID(models->recover());
  models->start();
  return models;
}

}  // namespace millrace::platform
