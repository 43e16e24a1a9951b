#include "apps/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "host/file.h"

namespace millrace::apps {
namespace {

using std::chrono::duration;

int columns_of(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string seconds_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 100) return fmt::format("{} s", whole);
  return fmt::format("{} min", (whole + 30) / 60);
}

}  // namespace

std::string progress_line(double done, std::string_view what, double elapsed_s, int columns) {
  constexpr int kCells = 20;
  done = std::isfinite(done) ? std::clamp(done, 0.0, 1.0) : 0.0;
  const auto full = static_cast<std::size_t>(std::floor(done * kCells));
  std::string line =
      fmt::format("[{}{}] {:3.0f} %  {}", std::string(full, '#'), std::string(kCells - full, ' '),
                  std::floor(done * 100), seconds_text(elapsed_s));
  if (elapsed_s >= 2 && done > 0 && done < 1) {
    line += fmt::format(", about {} to go", seconds_text(elapsed_s / done - elapsed_s));
  }
  if (!what.empty()) line += fmt::format("  {}", what);
  // The last column stays free: some terminals wrap when it is written.
  if (std::cmp_greater_equal(line.size(), columns))
    line.resize(static_cast<std::size_t>(std::max(columns - 1, 0)));
  return line;
}

ProgressBar::ProgressBar(const Clock& clock, int fd)
    : clock_(clock), fd_(fd), terminal_(isatty(fd) == 1), begun_(clock.monotonic()), last_(begun_) {}

ProgressBar::~ProgressBar() {
  if (drawn_) (void)host::write_all(fd_, "\r\x1b[K");
}

void ProgressBar::show(double done, std::string_view what) {
  if (!terminal_) return;
  const auto now = clock_.monotonic();
  if (drawn_ && done < 1 && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  const auto line = progress_line(done, what, duration<double>(now - begun_).count(), columns_of(fd_));
  drawn_ = true;
  // A terminal that cannot be written to is no reason to stop a run.
  if (!host::write_all(fd_, "\r" + line + "\x1b[K")) terminal_ = false;
}

twin::Progress ProgressBar::callback() {
  if (!terminal_) return {};
  return [this](double done, std::string_view what) { show(done, what); };
}

}  // namespace millrace::apps
