#include "platform/work_archives.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/id.h"
#include "host/fd.h"
#include "host/file.h"

namespace millrace::platform {
namespace {

constexpr std::string_view kPart = ".part";

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// -1 if there is none.
std::int64_t size_of(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
}

timespec to_timespec(TimePoint time) {
  const auto since = time.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(since);
  return {.tv_sec = whole.count(),
          .tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(since - whole).count()};
}

/// Its time of change is the time of its last use.
void mark_used(const std::string& path, TimePoint now) {
  const timespec times[2] = {to_timespec(now), to_timespec(now)};
  // A mark that cannot be set makes it look older than it is; it is then sent once more.
  (void)::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

}  // namespace

WorkArchives::WorkArchives(WorkArchivesOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

Result<WorkArchives::Paths> WorkArchives::paths_of(std::string_view project, std::string_view sha256) const {
  if (!is_name(project) || !is_sha256(sha256)) {
    return failure(ErrorCode::kInvalidArgument, "archive: want 64 hexadecimal digits in lower case");
  }
  Paths paths;
  paths.folder = fmt::format("{}/{}", options_.folder, project);
  paths.whole = fmt::format("{}/{}", paths.folder, sha256);
  paths.part = paths.whole + std::string(kPart);
  return paths;
}

Result<ArchiveState> WorkArchives::look(const Paths& paths, std::string_view sha256) const {
  if (const auto size = size_of(paths.whole); size >= 0) {
    return ArchiveState{
        .sha256 = std::string(sha256), .size_bytes = size, .received_bytes = size, .complete = true};
  }
  if (const auto size = size_of(paths.part); size >= 0) {
    return ArchiveState{
        .sha256 = std::string(sha256), .size_bytes = 0, .received_bytes = size, .complete = false};
  }
  return failure(ErrorCode::kNotFound, fmt::format("no byte of archive {} is here", sha256));
}

Result<void> WorkArchives::check_room(const Paths& paths, std::int64_t size) const {
  std::int64_t total = size;
  for (const std::string& name : TRY(host::list_dir(paths.folder))) {
    total += std::max<std::int64_t>(size_of(paths.folder + "/" + name), 0);
  }
  if (total <= options_.max_project_bytes) return {};
  return failure(
      ErrorCode::kExhausted,
      fmt::format("the working folders that this project has sent take {} bytes, at most {} are kept; "
                  "they go {} hours after their last use",
                  total - size, options_.max_project_bytes, options_.keep.count() / 3600));
}

Result<void> WorkArchives::append(const Paths& paths, std::int64_t offset, std::string_view piece) const {
  const host::Fd fd(::open(paths.part.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return std::unexpected(errno_error("open " + paths.part, errno));
  if (::lseek(fd.get(), offset, SEEK_SET) < 0)
    return std::unexpected(errno_error("seek " + paths.part, errno));
  const auto written = host::write_all(fd.get(), piece);
  // Half a piece is none: its sender goes on from the last whole one.
  if (!written) (void)::ftruncate(fd.get(), offset);
  return written;
}

Result<void> WorkArchives::publish(const Paths& paths, std::string_view sha256) const {
  const auto digest = TRY(host::sha256_file(paths.part));
  if (digest.sha256 != sha256) {
    TRY_VOID(host::remove_tree(paths.part));
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("the bytes that came have SHA-256 {}, announced was {}: send it again",
                               digest.sha256, sha256));
  }
  const host::Fd fd(::open(paths.part.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return std::unexpected(errno_error("open " + paths.part, errno));
  // Readable by the user that a job runs as; writable by nobody: its name is a promise about its bytes.
  if (::fchmod(fd.get(), 0444) != 0) return std::unexpected(errno_error("chmod " + paths.part, errno));
  if (::fsync(fd.get()) != 0) return std::unexpected(errno_error("fsync " + paths.part, errno));
  if (::rename(paths.part.c_str(), paths.whole.c_str()) != 0)
    return std::unexpected(errno_error("rename to " + paths.whole, errno));
  mark_used(paths.whole, clock_.now());
  return host::sync_dir(paths.folder);
}

Result<ArchiveState> WorkArchives::put(std::string_view project, std::string_view sha256, std::int64_t offset,
                                       std::int64_t size, std::string_view piece) {
  const Paths paths = TRY(paths_of(project, sha256));
  if (size < 1 || size > options_.max_bytes) {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("a working folder has 1 to {} bytes as a tar, found {}; leave out what the job does "
                    "not need with .millraceignore",
                    options_.max_bytes, size));
  }
  const auto end = static_cast<std::int64_t>(piece.size());
  if (offset < 0 || offset > size - end || piece.size() > kMaxPieceBytes) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("the piece of {} bytes at {} is not in 0 to {}", piece.size(), offset, size));
  }
  const std::lock_guard lock(mutex_);
  TRY_VOID(host::make_dirs(paths.folder, 0711));
  const auto before = look(paths, sha256);
  const std::int64_t received = before ? before->received_bytes : 0;
  if (before && before->complete) {
    mark_used(paths.whole, clock_.now());
    return before;
  }
  ArchiveState state{
      .sha256 = std::string(sha256), .size_bytes = size, .received_bytes = received, .complete = false};
  // What is left of a try with another size cannot become this archive.
  if (received > size) TRY_VOID(host::remove_tree(paths.part));
  if (received > size) state.received_bytes = 0;
  if (offset != state.received_bytes) return state;
  if (offset == 0) TRY_VOID(check_room(paths, size));
  TRY_VOID(append(paths, offset, piece));
  state.received_bytes += end;
  if (state.received_bytes < size) return state;
  TRY_VOID(publish(paths, sha256));
  state.complete = true;
  return state;
}

Result<ArchiveState> WorkArchives::state(std::string_view project, std::string_view sha256) {
  const Paths paths = TRY(paths_of(project, sha256));
  const std::lock_guard lock(mutex_);
  auto found = TRY(look(paths, sha256));
  if (found.complete) mark_used(paths.whole, clock_.now());
  return found;
}

Result<std::string> WorkArchives::file_of(std::string_view project, std::string_view sha256) {
  const auto found = state(project, sha256);
  if (found && found->complete) return TRY(paths_of(project, sha256)).whole;
  if (!found && found.error().code != ErrorCode::kNotFound) return std::unexpected(found.error());
  return failure(ErrorCode::kNotFound,
                 fmt::format("workdir: archive {} was not sent, or not all of it", sha256.substr(0, 64)));
}

Result<std::size_t> WorkArchives::sweep(const std::set<std::string>& needed) {
  const std::lock_guard lock(mutex_);
  const auto oldest =
      std::chrono::floor<std::chrono::seconds>((clock_.now() - options_.keep).time_since_epoch());
  std::size_t removed = 0;
  if (!host::exists(options_.folder)) return removed;
  for (const std::string& project : TRY(host::list_dir(options_.folder))) {
    const std::string folder = fmt::format("{}/{}", options_.folder, project);
    for (const std::string& name : TRY(host::list_dir(folder))) {
      struct stat info{};
      const std::string path = fmt::format("{}/{}", folder, name);
      if (::lstat(path.c_str(), &info) != 0 || info.st_mtim.tv_sec >= oldest.count()) continue;
      if (needed.contains(fmt::format("{}/{}", project, name))) continue;
      TRY_VOID(host::remove_tree(path));
      ++removed;
    }
  }
  return removed;
}

}  // namespace millrace::platform
