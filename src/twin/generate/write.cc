#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "host/fd.h"
#include "host/file.h"
#include "twin/formats/millrace.h"
#include "twin/generator.h"
#include "twin/site_config.h"

namespace millrace::twin {
namespace {

/// Appends to a file in pieces. What was written is put in place by `commit` only.
class FileWriter {
 public:
  static Result<FileWriter> create(const std::string& path) {
    const auto partial = path + ".part";
    host::Fd fd(open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) return std::unexpected(errno_error(fmt::format("create {}", partial), errno));
    return FileWriter(std::move(fd), path, partial);
  }
  std::string& buffer() { return buffer_; }
  Result<void> flush(std::size_t beyond) {
    if (buffer_.size() <= beyond) return {};
    TRY_VOID(host::write_all(fd_.get(), buffer_));
    buffer_.clear();
    return {};
  }
  Result<void> commit() {
    TRY_VOID(flush(0));
    if (rename(partial_.c_str(), path_.c_str()) != 0) {
      return std::unexpected(errno_error(fmt::format("rename {} to {}", partial_, path_), errno));
    }
    return {};
  }

 private:
  FileWriter(host::Fd fd, std::string path, std::string partial)
      : fd_(std::move(fd)), path_(std::move(path)), partial_(std::move(partial)) {}
  host::Fd fd_;
  std::string path_, partial_, buffer_;
};

}  // namespace

Result<std::int64_t> write_workload(const SiteConfig& site, std::uint64_t seed, TraceTime end,
                                    const std::string& path, const Progress& progress) {
  constexpr std::size_t kPiece = 1u << 20;
  constexpr std::int64_t kJobsBetweenProgress = 20'000;
  const auto source = TRY(generate_jobs(site, seed, end));
  auto writer = TRY(FileWriter::create(path));
  writer.buffer() += millrace_header();
  std::int64_t count = 0;
  while (const auto job = source->next()) {
    append_millrace_row(writer.buffer(), *job, site);
    TRY_VOID(writer.flush(kPiece));
    if (++count % kJobsBetweenProgress != 0 || !progress) continue;
    const auto expected = source->jobs_expected();
    const double by_time =
        end == kNever ? 0 : static_cast<double>(job->arrival.count()) / static_cast<double>(end.count());
    progress(expected > 0 ? static_cast<double>(count) / static_cast<double>(expected) : by_time, "writing");
  }
  TRY_VOID(writer.commit());
  return count;
}

}  // namespace millrace::twin
