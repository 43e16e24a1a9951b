// Shift: whether deferrable work runs now or waits for cleaner or cheaper hours inside its deadline.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace millrace::scheduler {

/// Values are of one kind, carbon intensity or price, per hour; they may be negative. Only their differences count.
struct Outlook {
  double now = 0.0;                // of the current hour, known
  std::span<const double> coming;  // expected; coming[0] is the hour after the current one
  std::span<const double>
      error;  // expected absolute error of each coming hour; hours without an entry are certain
};

/// Work of constant power. All times are whole minutes, at least 1.
struct Deferrable {
  std::int64_t work_min = 60;       // of work left
  std::int64_t left_min = 60;       // from now to the deadline
  std::int64_t hour_left_min = 60;  // until coming[0] begins, at most 60
  bool interruptible = false;       // may stop and go on; otherwise it runs to its end once started
};

struct ShiftDecision {
  bool run = true;
  std::int64_t wait_min =
      0;  // until the start that is expected now; at an hour's border, or the last that is possible
};

/// In expected absolute errors; see `shift`. 0.15 to 0.45 change the mean share of the oracle's saving over ten European
/// zones (tests/data/carbon-eu-2022) by at most 0.013.
inline constexpr double kWaitingWorth = 0.3;

/// Decide again whenever an hour begins. Work that would miss its deadline by waiting for the next hour runs; hours beyond
/// the forecast are not counted on.
///
/// Work that is not interruptible runs if now is not dearer than the cheapest later start.
///
/// Interruptible work runs if this hour is not dearer than the dearest of the coming hours that it would take instead, less
/// what waiting is worth: a plan made of expected values leaves out that hours are chosen later, when they are known better
/// (an option is worth more the less is certain). That worth is kWaitingWorth x (1 - 2 x share) x the mean expected error,
/// where share is the part of the time left that must be taken. Above one half it is negative: little is left to choose
/// then, and running now keeps the choice of which hours to skip. (Windows of many hours differ less than their errors
/// say: a worth of the same kind made other work save less.)
ShiftDecision shift(const Outlook& outlook, const Deferrable& work);

/// What `shift` decides at the start of an hour for every interruptible work of whole hours at once: element L is the least
/// work, in hours up to `work_max_h`, that runs now when L hours are left, and work_max_h + 1 if none does. For L from 0 to
/// coming.size() + 1.
std::vector<std::int32_t> least_work_that_runs(const Outlook& outlook, std::int32_t work_max_h);

/// The same for work of `work_h` whole hours that is not interruptible: element S says whether it starts now when it may
/// be put off by S hours. For S from 0 to coming.size() + 1 - work_h; empty if the forecast is shorter than the work.
std::vector<bool> starts_now(const Outlook& outlook, std::int32_t work_h);

}  // namespace millrace::scheduler
