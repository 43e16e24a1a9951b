#include "executor/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <vector>

#include "host/file.h"

namespace millrace::executor {
namespace {

constexpr std::string_view kPrefix = "log.";
constexpr std::size_t kDigits = 20;

std::string piece_path(const std::string& folder, std::int64_t begin) {
  return fmt::format("{}/log.{:020}", folder, begin);
}

// First offsets of the pieces that are there, ascending.
Result<std::vector<std::int64_t>> list_pieces(const std::string& folder) {
  std::vector<std::int64_t> begins;
  for (const std::string& name : TRY(host::list_dir(folder))) {
    if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + kDigits) continue;
    std::int64_t begin = 0;
    const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), begin);
    if (error == std::errc() && end == name.data() + name.size() && begin >= 0) begins.push_back(begin);
  }
  std::sort(begins.begin(), begins.end());
  return begins;
}

std::int64_t size_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

// Appends what the piece holds from `from` on; nothing if it was dropped meanwhile.
void read_piece(const std::string& path, std::int64_t skip, std::size_t max, std::string& out) {
  const host::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return;
  const std::size_t begin = out.size();
  out.resize(begin + max);
  std::size_t have = 0;
  while (have < max) {
    const ssize_t got =
        ::pread(file.get(), out.data() + begin + have, max - have, skip + static_cast<std::int64_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  out.resize(begin + have);
}

// Where the first whole line begins in what is left; where it is if no line ends soon.
std::int64_t first_line(const std::string& path, std::int64_t begin) {
  constexpr std::size_t kLineMax = 64 << 10;
  std::string text;
  read_piece(path, 0, kLineMax, text);
  const std::size_t end = text.find('\n');
  return end == std::string::npos ? begin : begin + static_cast<std::int64_t>(end) + 1;
}

}  // namespace

Result<LogWriter> LogWriter::open(const std::string& folder, std::int64_t piece_bytes) {
  LogWriter writer(folder, piece_bytes);
  const std::vector<std::int64_t> pieces = TRY(list_pieces(folder));
  if (!pieces.empty())
    writer.begin_ = writer.end_ = pieces.back() + size_of(piece_path(folder, pieces.back()));
  TRY_VOID(writer.begin_piece());
  return writer;
}

Result<void> LogWriter::begin_piece() {
  begin_ = end_;
  const std::string path = piece_path(folder_, begin_);
  file_ = host::Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file_) return std::unexpected(errno_error("open " + path, errno));
  const std::vector<std::int64_t> pieces = TRY(list_pieces(folder_));
  for (std::size_t i = 0; i + kPieces < pieces.size(); ++i)
    TRY_VOID(host::remove_tree(piece_path(folder_, pieces[i])));
  return {};
}

Result<void> LogWriter::append(std::string_view bytes) {
  if (!bytes.empty()) newline_ = bytes.back() == '\n';
  while (!bytes.empty()) {
    if (end_ - begin_ >= piece_bytes_) TRY_VOID(begin_piece());
    const std::string_view part = bytes.substr(0, static_cast<std::size_t>(piece_bytes_ - (end_ - begin_)));
    TRY_VOID(host::write_all(file_.get(), part));
    end_ += static_cast<std::int64_t>(part.size());
    bytes.remove_prefix(part.size());
  }
  return {};
}

Result<void> write_log(const std::string& folder, std::string_view text) {
  TRY_VOID(host::remove_tree(folder));
  TRY_VOID(host::make_dirs(folder, 0700));
  return host::write_file_atomic(piece_path(folder, 0), text, 0600);
}

Result<LogPiece> read_log(const std::string& folder, std::int64_t from, std::size_t max) {
  LogPiece piece;
  const std::vector<std::int64_t> begins = TRY(list_pieces(folder));
  if (begins.empty()) return piece;
  const std::int64_t end = begins.back() + size_of(piece_path(folder, begins.back()));
  if (from < 0) from = end + std::max(from, -end);
  if (from < begins.front()) {
    from = first_line(piece_path(folder, begins.front()), begins.front());
    std::string notice =
        fmt::format("[supervisor] the log is limited: its oldest part, up to byte {}, was dropped\n", from);
    if (notice.size() < max) piece.text = std::move(notice);
  }
  piece.from = piece.next = std::min(from, end);
  for (std::size_t i = 0; i < begins.size() && piece.text.size() < max; ++i) {
    const std::int64_t piece_end = i + 1 < begins.size() ? begins[i + 1] : end;
    if (piece.next >= piece_end || piece.next < begins[i]) continue;
    const auto want =
        std::min<std::int64_t>(piece_end - piece.next, static_cast<std::int64_t>(max - piece.text.size()));
    const std::size_t before = piece.text.size();
    read_piece(piece_path(folder, begins[i]), piece.next - begins[i], static_cast<std::size_t>(want),
               piece.text);
    piece.next += static_cast<std::int64_t>(piece.text.size() - before);
  }
  return piece;
}

}  // namespace millrace::executor
