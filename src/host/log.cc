#include "host/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "host/json_writer.h"

namespace millrace::host {
namespace {
constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error"};
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (int i = 0; i < 4; ++i) {
    if (text == kLevels[i]) return static_cast<LogLevel>(i);
  }
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("log level '{}': want debug, info, warning or error", text.substr(0, 32)));
}

Result<std::unique_ptr<Logger>> Logger::create(const std::string& path, LogLevel level, std::string role,
                                               const Clock& clock, std::int64_t max_bytes) {
  std::unique_ptr<Logger> logger(new Logger(path, level, std::move(role), clock, max_bytes));
  if (!path.empty()) TRY_VOID(logger->open());
  return logger;
}

Result<void> Logger::open() {
  Fd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  struct stat info;
  if (!file || ::fstat(file.get(), &info) != 0)
    return std::unexpected(errno_error("open the log " + path_, errno));
  file_ = std::move(file);
  size_ = info.st_size;
  return {};
}

void Logger::write(LogLevel level, std::string_view event, Fields fields) {
  if (level < level_) return;
  JsonWriter line;
  line.begin_object();
  line.field("time", to_rfc3339(clock_.now())).field("level", kLevels[static_cast<int>(level)]);
  line.field("role", role_).field("event", event);
  for (const auto& field : fields) {
    line.key(field.key);
    std::visit([&](const auto& value) { line.value(value); }, field.value);
  }
  line.end_object();
  std::string text = line.take();
  text.push_back('\n');

  const std::lock_guard lock(mutex_);
  if (file_ && size_ > 0 && size_ + static_cast<std::int64_t>(text.size()) > max_bytes_) {
    ::rename(path_.c_str(), (path_ + ".1").c_str());
    // If the new file cannot be made, the old one (now path.1) goes on growing: better than losing lines.
    [[maybe_unused]] const auto reopened = open();
  }
  const ssize_t put = ::write(file_ ? file_.get() : STDERR_FILENO, text.data(), text.size());
  if (put > 0) size_ += put;
}

}  // namespace millrace::host
