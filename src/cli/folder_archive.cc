#include "cli/folder_archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <ranges>
#include <set>
#include <utility>
#include <vector>

#include "cli/ignore.h"
#include "core/amount.h"
#include "host/file.h"
#include "host/sha256.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameMax = 100;  // of the header of ustar (POSIX 1003.1, pax)
constexpr std::size_t kEntriesMax = 100'000;
constexpr int kDepthMax = 64;
constexpr std::size_t kPiece = 1 << 20;
// Of what is too much anyway no more is looked at: some seconds, and a sum that sparse files of any size leave in 64 bits.
constexpr std::size_t kSeenMax = 250'000;
constexpr std::int64_t kSizeMax = 1LL << 50;
constexpr int kNamed = 3;

/// For people: "1.2 GiB".
std::string rounded(std::int64_t bytes) {
  constexpr double kKiB = 1024;
  double value = static_cast<double>(bytes) / kKiB;
  const char* unit = "KiB";
  for (const char* next : {"MiB", "GiB", "TiB"}) {
    if (value < kKiB) break;
    value /= kKiB;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

Error too_large(const std::string& what) {
  return {
      ErrorCode::kInvalidArgument,
      fmt::format("{}. At most {} and {} files are sent with a job: leave some out with lines in {}, name "
                  "another folder with --workdir, or send none with --no-workdir",
                  what, format_size(kArchiveMax), kEntriesMax, kIgnoreFile)};
}

struct Entry {
  std::string path;  // below the folder
  struct stat info{};
};

/// What goes into the archive, in its order.
class Walk {
 public:
  Walk(std::string folder, Ignore ignore) : folder_(std::move(folder)), ignore_(std::move(ignore)) {}

  Result<std::vector<Entry>> entries() {
    TRY_VOID(visit("", 0));
    if (is_too_much()) return std::unexpected(too_much());
    return std::move(entries_);
  }

 private:
  bool is_too_much() const { return total_ > kArchiveMax || seen_ > kEntriesMax; }
  bool is_enough() const { return total_ >= kSizeMax || seen_ >= kSeenMax; }

  Result<void> visit(const std::string& prefix, int depth) {
    const auto names = host::list_dir(folder_ + "/" + prefix);
    if (!names && is_too_much()) return {};  // which is what there is to tell
    if (!names) return std::unexpected(names.error());
    for (const std::string& name : *names) {
      if (is_enough()) return {};
      Entry entry{.path = prefix + name, .info = {}};
      if (::lstat((folder_ + "/" + entry.path).c_str(), &entry.info) != 0) continue;  // it went away
      const bool is_folder = S_ISDIR(entry.info.st_mode);
      const bool is_kept = is_folder || S_ISREG(entry.info.st_mode) || S_ISLNK(entry.info.st_mode);
      if (!is_kept || ignore_.leaves_out(entry.path, is_folder)) continue;
      count(entry, name, depth);
      const std::string below = entry.path + "/";
      if (!is_too_much()) entries_.push_back(std::move(entry));
      if (is_folder && depth < kDepthMax) TRY_VOID(visit(below, depth + 1));
    }
    return {};
  }

  /// A header of one block and whole blocks of the file are what an entry takes, but for one with a long name.
  void count(const Entry& entry, const std::string& name, int depth) {
    constexpr std::int64_t kWhole = kBlock;
    if (depth == 0) top_ = name;
    const std::int64_t size =
        S_ISREG(entry.info.st_mode) ? std::min<std::int64_t>(entry.info.st_size, kSizeMax) : 0;
    const std::int64_t taken = kWhole + (size + kWhole - 1) / kWhole * kWhole;
    sizes_[top_] += taken;
    total_ += taken;
    ++seen_;
  }

  Error too_much() const {
    std::set<std::pair<std::int64_t, std::string>> by_size;  // the largest first, alike ones by name
    for (const auto& [name, size] : sizes_) by_size.emplace(-size, name);
    std::string named;
    for (const auto& [size, name] : by_size | std::views::take(kNamed))
      named += fmt::format("{}{} ({})", named.empty() ? "" : ", ", name, rounded(-size));
    const char* more = is_enough() ? "more than " : "";
    return too_large(fmt::format("{} holds {}{} in {}{} file{}; largest{}: {}", folder_, more,
                                 rounded(total_), more, seen_, seen_ == 1 ? "" : "s",
                                 is_enough() ? " of these" : "", named));
  }

  const std::string folder_;
  const Ignore ignore_;
  std::vector<Entry> entries_;
  std::map<std::string, std::int64_t> sizes_;  // by name at the top
  std::string top_;
  std::int64_t total_ = 0;
  std::size_t seen_ = 0;
};

/// The archive's bytes, on their way to the file.
class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) {}

  Result<void> add(const std::string& folder, const Entry& entry) {
    if (S_ISREG(entry.info.st_mode)) return add_file(folder + "/" + entry.path, entry);
    if (S_ISDIR(entry.info.st_mode)) return header(entry.path + "/", entry.info, '5', "", 0);
    std::array<char, 4096> target{};
    const auto length = ::readlink((folder + "/" + entry.path).c_str(), target.data(), target.size() - 1);
    if (length < 0) return std::unexpected(errno_error("read link " + entry.path, errno));
    return header(entry.path, entry.info, '2', std::string(target.data(), static_cast<std::size_t>(length)),
                  0);
  }

  /// The end of a tar: two empty blocks.
  Result<FolderArchive> finish(host::Fd file, std::int64_t files) {
    TRY_VOID(write(std::string(2 * kBlock, '\0')));
    FolderArchive archive;
    archive.file = std::move(file);
    archive.sha256 = host::to_hex(digest_.finish());
    archive.size_bytes = size_;
    archive.files = files;
    return archive;
  }

 private:
  Result<void> write(std::string_view bytes) {
    digest_.update(bytes);
    size_ += static_cast<std::int64_t>(bytes.size());
    return host::write_all(fd_, bytes);
  }

  static void put(std::string& block, std::size_t at, std::string_view text) {
    std::ranges::copy(text, block.begin() + static_cast<std::ptrdiff_t>(at));
  }

  /// Names that do not fit go before it, in an entry of their own, as GNU tar writes and everybody reads them.
  Result<void> long_text(const std::string& text, char kind) {
    if (text.size() <= kNameMax) return {};
    struct stat none{};
    TRY_VOID(header("././@LongLink", none, kind, "", static_cast<std::int64_t>(text.size()) + 1));
    TRY_VOID(write(text + '\0'));
    return pad(text.size() + 1);
  }

  Result<void> pad(std::size_t written) {
    return write(std::string((kBlock - written % kBlock) % kBlock, '\0'));
  }

  Result<void> header(const std::string& path, const struct stat& info, char kind, const std::string& link,
                      std::int64_t size) {
    TRY_VOID(long_text(path, 'L'));
    TRY_VOID(long_text(link, 'K'));
    std::string block(kBlock, '\0');
    put(block, 0, std::string_view(path).substr(0, kNameMax));
    const bool runs = kind == '5' || (info.st_mode & S_IXUSR) != 0;
    put(block, 100, runs ? "0000755" : "0000644");
    put(block, 108, "0000000");
    put(block, 116, "0000000");
    put(block, 124, fmt::format("{:011o}", size));
    put(block, 136, fmt::format("{:011o}", std::max<std::int64_t>(info.st_mtim.tv_sec, 0)));
    put(block, 148, "        ");
    block[156] = kind;
    put(block, 157, std::string_view(link).substr(0, kNameMax));
    put(block, 257, std::string_view("ustar  \0", 8));  // GNU's mark, for its long names
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    put(block, 148, fmt::format("{:06o}", sum));
    block[154] = '\0';
    return write(block);
  }

  Result<void> add_file(const std::string& path, const Entry& entry) {
    const host::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return std::unexpected(errno_error("open " + path, errno));
    TRY_VOID(header(entry.path, entry.info, '0', "", entry.info.st_size));
    std::int64_t left = entry.info.st_size;
    std::string piece(kPiece, '\0');
    while (left > 0) {
      const auto got =
          ::read(fd.get(), piece.data(), static_cast<std::size_t>(std::min<std::int64_t>(left, kPiece)));
      if (got < 0) return std::unexpected(errno_error("read " + path, errno));
      if (got == 0) {
        return failure(ErrorCode::kConflict,
                       fmt::format("{} got shorter while it was read; try again", path));
      }
      TRY_VOID(write(std::string_view(piece).substr(0, static_cast<std::size_t>(got))));
      left -= got;
    }
    return pad(static_cast<std::size_t>(entry.info.st_size));
  }

  int fd_;
  host::Sha256 digest_;
  std::int64_t size_ = 0;
};

Result<host::Fd> temporary_file() {
  const char* folder = std::getenv("TMPDIR");
  std::string path =
      fmt::format("{}/millrace-XXXXXX", folder != nullptr && *folder != '\0' ? folder : "/tmp");
  host::Fd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd) return std::unexpected(errno_error("make a temporary file " + path, errno));
  ::unlink(path.c_str());
  return fd;
}

}  // namespace

Result<FolderArchive> archive_folder(const std::string& folder) {
  std::string patterns = ".git\n";
  const std::string ignore_file = folder + "/" + kIgnoreFile;
  if (host::exists(ignore_file)) patterns += TRY(host::read_file(ignore_file, 1 << 20));
  const auto entries = TRY(Walk(folder, Ignore(patterns)).entries());
  auto file = TRY(temporary_file());
  Writer writer(file.get());
  for (const Entry& entry : entries) TRY_VOID(writer.add(folder, entry));
  auto archive = TRY(writer.finish(std::move(file), static_cast<std::int64_t>(entries.size())));
  if (archive.size_bytes <= kArchiveMax) return archive;
  return std::unexpected(
      too_large(fmt::format("{} makes an archive of {}", folder, rounded(archive.size_bytes))));
}

Result<std::string> read_archive(const FolderArchive& archive, std::int64_t from, std::size_t max) {
  std::string bytes(max, '\0');
  const auto got = ::pread(archive.file.get(), bytes.data(), bytes.size(), from);
  if (got < 0) return std::unexpected(errno_error("read the archive", errno));
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

}  // namespace millrace::cli
