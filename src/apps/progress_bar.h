// ProgressBar: how far a long run is, on one line of a terminal; silent where stderr is none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "twin/progress.h"

namespace millrace::apps {

/// The line as it is drawn, without the carriage return, never wider than `columns`:
/// "[#########           ]  45 %  12 s, about 15 s to go  placing". No time to go is told in the first two seconds.
std::string progress_line(double done, std::string_view what, double elapsed_s, int columns);

/// Draws at most ten times a second, and the last state when `done` reaches 1. The destructor clears the line. One thread
/// at a time.
class ProgressBar {
 public:
  /// `fd` is where it draws, if that is a terminal.
  explicit ProgressBar(const Clock& clock, int fd = 2);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(double done, std::string_view what);
  /// For the functions of twin; the bar must outlive it. Empty where nothing would be drawn.
  twin::Progress callback();

 private:
  const Clock& clock_;
  int fd_;
  bool terminal_;
  bool drawn_ = false;
  MonotonicPoint begun_, last_;
};

}  // namespace millrace::apps
