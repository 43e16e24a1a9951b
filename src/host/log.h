// Logger: one JSON object a line, to a bounded file or to stderr.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

#include "core/clock.h"
#include "core/result.h"
#include "host/fd.h"

namespace millrace::host {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
Result<LogLevel> parse_log_level(std::string_view text);

struct LogField {
  template <typename T>
  LogField(std::string_view name, const T& what) : key(name) {
    if constexpr (std::is_same_v<T, bool>) {
      value = what;
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<double>(what);
    } else if constexpr (std::is_integral_v<T>) {
      value = static_cast<std::int64_t>(what);
    } else {
      value = std::string_view(what);
    }
  }
  std::string_view key;
  std::variant<std::string_view, std::int64_t, double, bool> value;
};

/// {"time":"...","level":"info","role":"server","event":"started","port":8080}. `event` is a fixed snake_case word;
/// what varies goes into fields. Callers never pass keys, prompts or answers. Safe from any thread; a line is one
/// write call. A failing write is dropped: logging never stops the work.
class Logger {
 public:
  using Fields = std::initializer_list<LogField>;

  /// To `path` (appended; renamed to path.1 when it passes `max_bytes`, so at most twice that is used), or to stderr
  /// if `path` is empty. `role` is told in each line. `clock` must outlive the logger.
  static Result<std::unique_ptr<Logger>> create(const std::string& path, LogLevel level, std::string role,
                                                const Clock& clock, std::int64_t max_bytes = 16 << 20);

  void debug(std::string_view event, Fields fields = {}) { write(LogLevel::kDebug, event, fields); }
  void info(std::string_view event, Fields fields = {}) { write(LogLevel::kInfo, event, fields); }
  void warning(std::string_view event, Fields fields = {}) { write(LogLevel::kWarning, event, fields); }
  void error(std::string_view event, Fields fields = {}) { write(LogLevel::kError, event, fields); }
  void error(std::string_view event, const Error& problem) {
    write(LogLevel::kError, event,
          {{"code", std::string_view(name_of(problem.code))}, {"message", problem.message}});
  }

 private:
  Logger(std::string path, LogLevel level, std::string role, const Clock& clock, std::int64_t max_bytes)
      : path_(std::move(path)), level_(level), role_(std::move(role)), clock_(clock), max_bytes_(max_bytes) {}
  void write(LogLevel level, std::string_view event, Fields fields);
  Result<void> open();

  const std::string path_;
  const LogLevel level_;
  const std::string role_;
  const Clock& clock_;
  const std::int64_t max_bytes_;
  std::mutex mutex_;
  Fd file_;                // guarded by mutex_; none: stderr
  std::int64_t size_ = 0;  // guarded by mutex_
};

}  // namespace millrace::host
