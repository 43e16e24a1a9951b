#include "platform/job_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "host/fd.h"
#include "host/paths.h"
#include "host/utf8.h"

namespace millrace::platform {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
// Opening a pipe must not wait for a writer.
constexpr int kFileFlags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

OutputFile file_of(std::string path, const struct stat& info) {
  const auto at = std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec);
  return {.path = std::move(path),
          .size_bytes = info.st_size,
          .executable = (info.st_mode & S_IXUSR) != 0,
          .modified_at = TimePoint(std::chrono::floor<std::chrono::microseconds>(at))};
}

class Walk {
 public:
  explicit Walk(std::vector<OutputFile>& files) : files_(files) {}

  /// Takes `folder` over.
  Result<void> visit(host::Fd folder, const std::string& prefix, int depth) {
    const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(folder.get()));
    if (!dir) return std::unexpected(errno_error("read folder " + prefix, errno));
    const int at = folder.release();
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string name = entry->d_name;
      if (name == "." || name == ".." || !host::is_utf8(name)) continue;
      if (prefix.size() + name.size() > kOutputPathMax) continue;
      if (++seen_ > kOutputFilesMax) {
        return failure(ErrorCode::kExhausted,
                       fmt::format("the output has more than {} files; pack them into one", kOutputFilesMax));
      }
      struct stat info{};
      // It may be gone in this moment, or belong to somebody else.
      if (::fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (S_ISREG(info.st_mode)) files_.push_back(file_of(prefix + name, info));
      if (S_ISLNK(info.st_mode)) take_link(at, prefix, name, info);
      if (!S_ISDIR(info.st_mode) || depth == kOutputDepthMax) continue;
      host::Fd below(::openat(at, name.c_str(), kFolderFlags));
      if (below) TRY_VOID(visit(std::move(below), prefix + name + "/", depth + 1));
    }
    return {};
  }

 private:
  void take_link(int at, const std::string& prefix, const std::string& name, const struct stat& info) {
    std::string target(kOutputPathMax + 1, '\0');
    const ssize_t length = ::readlinkat(at, name.c_str(), target.data(), target.size());
    if (length <= 0 || length > static_cast<ssize_t>(kOutputPathMax)) return;
    target.resize(static_cast<std::size_t>(length));
    if (!host::is_utf8(target) || !host::is_inner_link(prefix + name, target)) return;
    files_.push_back(file_of(prefix + name, info));
    files_.back().executable = false;
    files_.back().link = std::move(target);
  }

  std::vector<OutputFile>& files_;
  std::size_t seen_ = 0;
};

std::unexpected<Error> no_file(std::string_view path) {
  return failure(ErrorCode::kNotFound,
                 fmt::format("there is no file '{}' in the output", path.substr(0, 200)));
}

}  // namespace

Result<OutputList> list_output(const std::string& folder, std::string_view after, std::size_t limit) {
  host::Fd root(::open(folder.c_str(), kFolderFlags));
  if (!root && errno == ENOENT) return OutputList{};
  if (!root) return std::unexpected(errno_error("open " + folder, errno));
  OutputList list;
  TRY_VOID(Walk(list.files).visit(std::move(root), "", 0));
  std::erase_if(list.files, [&](const OutputFile& file) { return file.path <= after; });
  std::ranges::sort(list.files, {}, &OutputFile::path);
  list.more = list.files.size() > limit;
  if (list.more) list.files.resize(limit);
  return list;
}

Result<std::string> read_output(const std::string& folder, std::string_view path, std::int64_t from,
                                std::size_t max) {
  host::Fd at(::open(folder.c_str(), kFolderFlags));
  std::string_view rest = path;
  while (at) {
    const auto slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    if (part.empty() || part == "." || part == ".." || part.contains('\0')) return no_file(path);
    const bool last = slash == std::string_view::npos;
    at.reset(::openat(at.get(), part.c_str(), last ? kFileFlags : kFolderFlags));
    if (last) break;
    rest.remove_prefix(slash + 1);
  }
  struct stat info{};
  if (!at || ::fstat(at.get(), &info) != 0 || !S_ISREG(info.st_mode) || from < 0) return no_file(path);
  std::string bytes(std::min(max, kOutputPieceMax), '\0');
  const ssize_t got = ::pread(at.get(), bytes.data(), bytes.size(), from);
  if (got < 0) return std::unexpected(errno_error(fmt::format("read {}", path), errno));
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

}  // namespace millrace::platform
