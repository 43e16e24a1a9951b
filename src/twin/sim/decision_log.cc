#include "twin/sim/decision_log.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "core/clock.h"
#include "host/file.h"

namespace millrace::twin {
namespace {

constexpr std::size_t kBufferBytes = 1 << 18;
constexpr std::int64_t kDayUs = 86'400'000'000;

void put_digits(std::string& out, std::int64_t number, int digits) {
  char text[8];
  for (int i = digits - 1; i >= 0; --i) {
    text[i] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  out.append(text, static_cast<std::size_t>(digits));
}

}  // namespace

Result<DecisionLog> DecisionLog::create(const std::string& path) {
  DecisionLog log;
  log.file_ = host::Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!log.file_) return std::unexpected(errno_error("open " + path + " for the decisions", errno));
  log.path_ = path;
  return log;
}

void DecisionLog::add(VirtualTime at, std::string_view about, std::string_view decision,
                      std::string_view reason) {
  put_time(at);
  put_field(about);
  put_field(decision);
  put_field(reason);
  buffer_.back() = '\n';
  ++lines_;
  if (buffer_.size() >= kBufferBytes) flush();
}

// The date is written anew once a simulated day: formatting it took longer than all the rest of a line.
void DecisionLog::put_time(VirtualTime at) {
  std::int64_t number = at / kDayUs;
  if (at % kDayUs < 0) --number;
  if (number != day_number_) {
    day_number_ = number;
    day_ = date_of(TimePoint(std::chrono::microseconds(number * kDayUs))) + "T";
  }
  const std::int64_t into = at - number * kDayUs;
  const std::int64_t second = into / 1'000'000;
  buffer_ += day_;
  put_digits(buffer_, second / 3600, 2);
  buffer_ += ':';
  put_digits(buffer_, second / 60 % 60, 2);
  buffer_ += ':';
  put_digits(buffer_, second % 60, 2);
  buffer_ += '.';
  put_digits(buffer_, into % 1'000'000, 6);
  buffer_ += "Z\t";
}

void DecisionLog::put_field(std::string_view text) {
  const std::size_t from = buffer_.size();
  buffer_ += text;
  for (std::size_t i = from; i < buffer_.size(); ++i) {
    if (buffer_[i] == '\t' || buffer_[i] == '\n' || buffer_[i] == '\r') buffer_[i] = ' ';
  }
  buffer_ += '\t';
}

void DecisionLog::flush() {
  digest_.update(buffer_);
  if (file_ && written_) {
    written_ = host::write_all(file_.get(), buffer_);
    if (!written_)
      written_.error().message = "write the decisions to " + path_ + ": " + written_.error().message;
  }
  buffer_.clear();
}

Result<std::string> DecisionLog::finish() {
  flush();
  TRY_VOID(written_);
  return host::to_hex(digest_.finish());
}

}  // namespace millrace::twin
