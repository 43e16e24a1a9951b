// Whether, and when, draws fit budgets: now, and at the times to come when a budget changes or a promise begins.
#include <algorithm>
#include <utility>

#include "scheduler/books/power_ledger.h"

namespace millrace::scheduler {
namespace {

using Sum = Budgeted::Sum;

/// A budget at rising times, and whether it has fallen since the first, so that what ran was capped or stopped for it.
class Course {
 public:
  Course(const Budgeted& b, TimePoint from)
      : changes_(&b.changes), next_(b.changes.upper_bound(from)), budget_mw_(b.budget_at(from)) {}
  void to(TimePoint at) {
    for (; next_ != changes_->end() && next_->first <= at; ++next_) {
      const std::int64_t then = next_->second.value_or(INT64_MAX);
      fallen_ = fallen_ || (then < budget_mw_ && next_->first > at_hand_until_);
      budget_mw_ = then;
    }
  }
  /// Falls until then do not count as such: what begins now must fit as it is.
  void set_at_hand_until(TimePoint at) { at_hand_until_ = at; }
  std::int64_t budget_mw() const { return budget_mw_; }
  bool fallen() const { return fallen_; }
  /// What counts of others' draws.
  std::int64_t of(const Sum& sum) const { return fallen_ ? sum.least_mw : sum.milliwatts; }

 private:
  const std::map<TimePoint, std::optional<std::int64_t>>* changes_;
  std::map<TimePoint, std::optional<std::int64_t>>::const_iterator next_;
  std::int64_t budget_mw_;
  TimePoint at_hand_until_ = TimePoint::min();
  bool fallen_ = false;
};

/// What promises take at rising times from `now` on. One that should have begun by then, or even be over, still waits for
/// its power.
class PromisedPower {
 public:
  /// Of those that begin before `before`, and of all from `all_from` on.
  PromisedPower(const Budgeted& b, TimePoint now, TimePoint before = kNever, TimePoint all_from = kNever)
      : budget_(&b),
        check_(b.checks.begin()),
        end_(b.promise_ends.upper_bound(std::pair(now, kNever))),
        before_(before),
        all_from_(all_from) {
    at(now);
  }
  /// As if none would be over.
  static PromisedPower endless(const Budgeted& b, TimePoint now) {
    PromisedPower promised(b, TimePoint::min());
    promised.end_ = b.promise_ends.end();
    promised.at(now);
    return promised;
  }
  const Sum& at(TimePoint time) {
    for (; check_ != budget_->checks.end() && check_->first <= time; ++check_)
      add(check_->second.promised, check_->first, 1);
    for (; end_ != budget_->promise_ends.end() && end_->first.first <= time; ++end_)
      add(end_->second, end_->first.second, -1);
    return time < all_from_ ? sum_ : all_;
  }

 private:
  void add(const Sum& promised, TimePoint begin, int sign) {
    all_.add(promised, sign);
    if (begin < before_) sum_.add(promised, sign);
  }

  const Budgeted* budget_;
  std::map<TimePoint, Budgeted::Check>::const_iterator check_;
  std::map<std::pair<TimePoint, TimePoint>, Sum>::const_iterator end_;
  TimePoint before_, all_from_;
  Sum all_, sum_;  // sum_: of those that begin before before_
};

/// What of a draw must be there at a time to come, where its budget has fallen, or has not, since it began.
std::int64_t needed_mw(const ScopeDraw& draw, bool fallen, bool yields) {
  if (!fallen) return draw.milliwatts;
  return yields ? 0 : draw.least_mw;
}

/// What `draw` lacks later than when it begins; `promised` has come to that time.
std::optional<PowerLedger::Lack> lack_later(const ScopeDraw& draw, const Stay& stay, PromisedPower promised,
                                            std::chrono::seconds lead) {
  const Budgeted& b = *draw.budget;
  Course course(b, stay.from);
  course.set_at_hand_until(time_after(stay.from, lead));
  for (auto it = b.checks.upper_bound(stay.from); it != b.checks.end() && it->first < stay.until; ++it) {
    course.to(it->first);
    const std::int64_t needed = needed_mw(draw, course.fallen(), it->first >= stay.yields_from);
    const std::int64_t others = course.of(it->second.running) + course.of(promised.at(it->first));
    const std::int64_t left = course.budget_mw() - b.idle_mw - others;
    if (left >= needed || (course.fallen() && needed == 0)) continue;
    return PowerLedger::Lack{&b, needed, std::max<std::int64_t>(left, 0), it->first};
  }
  return std::nullopt;
}

}  // namespace

Sum Budgeted::running_after(TimePoint at) const {
  Sum sum = ends_sum;
  for (auto it = ends.begin(); it != ends.end() && it->first <= at; ++it) sum.add(it->second, -1);
  return sum;
}

std::int64_t Budgeted::budget_at(TimePoint at) const {
  const auto next = changes.upper_bound(at);
  if (next == changes.begin()) return INT64_MAX;
  return std::prev(next)->second.value_or(INT64_MAX);
}

bool Budgeted::overdrawn(TimePoint now) const {
  PromisedPower promised(*this, now);
  Course course(*this, now);
  const auto over = [&](TimePoint at, const Sum& running) {
    course.to(at);
    const std::int64_t promised_mw = course.of(promised.at(at));
    const auto is_over = [&](const Sum& with) {
      const std::int64_t others = course.fallen() ? with.least_mw : with.capped_mw;
      return idle_mw + others + promised_mw > course.budget_mw();
    };
    // What waits for a moment, for work that is slower under a cap than it was expected to be, is not given anew.
    const TimePoint soon = at + (at - now) * 3 / 10 + std::chrono::minutes(15);
    return promised_mw > 0 && is_over(running) && is_over(running_after(soon));
  };
  std::int64_t saves_mw = 0;
  for (const auto& [precedence, mw] : saves) saves_mw += mw;
  if (over(now, {.capped_mw = work_mw - saves_mw})) return true;
  for (auto it = checks.upper_bound(now); it != checks.end(); ++it) {
    if (over(it->first, it->second.running)) return true;
  }
  return false;
}

std::int64_t PowerLedger::left_mw(const Budgeted& b, TimePoint now, TimePoint at) const {
  Course course(b, now);
  course.set_at_hand_until(time_after(now, lead_));
  course.to(at);
  const std::int64_t running = at > now ? course.of(b.running_after(at)) : b.work_mw;
  const std::int64_t promised = course.of(PromisedPower(b, now).at(at));
  return std::max<std::int64_t>(course.budget_mw() - b.idle_mw - running - promised, 0);
}

std::optional<PowerLedger::Lack> PowerLedger::lack(const ScopeDraw& more, const Stay& stay) const {
  const Budgeted& b = *more.budget;
  PromisedPower promised(b, stay.from, stay.promised_before, stay.all_from);
  const std::int64_t left =
      b.budget_at(stay.from) - b.idle_mw - b.work_mw - promised.at(stay.from).milliwatts;
  if (left < more.milliwatts) return Lack{&b, more.milliwatts, std::max<std::int64_t>(left, 0), std::nullopt};
  return lack_later(more, stay, promised, lead_);
}

std::optional<PowerLedger::Lack> PowerLedger::lack(std::span<const ScopeDraw> more, const Stay& stay) const {
  std::optional<Lack> found;
  for (const ScopeDraw& d : more) found = telling(found, lack(d, stay));
  return found;
}

std::optional<PowerLedger::Lack> PowerLedger::telling(const std::optional<Lack>& a,
                                                      const std::optional<Lack>& b) {
  if (!a || !b) return a ? a : b;
  const auto width = [](const Lack& of) { return of.budget->scope.kind; };  // they stand in order
  if (width(*a) != width(*b)) return width(*a) < width(*b) ? b : a;
  return b->needed - b->free < a->needed - a->free ? b : a;
}

bool PowerLedger::ample(std::int64_t milliwatts, const Stay& stay) const {
  constexpr std::size_t kLookedAtMax = 16;
  return bound_.size() <= kLookedAtMax && std::ranges::none_of(bound_, [&](Budgeted* b) {
           return lack(ScopeDraw{b, milliwatts, milliwatts}, stay).has_value();
         });
}

bool PowerLedger::falls(const Budgeted& b, TimePoint from, TimePoint until) {
  Course course(b, from - std::chrono::microseconds(1));
  course.to(until - std::chrono::microseconds(1));
  return course.fallen();
}

TimePoint PowerLedger::earliest_in(const ScopeDraw& draw, TimePoint from, TimePoint now,
                                   const Wish& wish) const {
  const Budgeted& b = *draw.budget;
  TimePoint start = from;
  PromisedPower promised = wish.behind ? PromisedPower(b, now) : PromisedPower::endless(b, now);
  auto end = b.ends.upper_bound(start);
  auto change = b.changes.upper_bound(start);
  auto promise_end = wish.behind ? b.promise_ends.upper_bound(std::pair(std::max(start, now), kNever))
                                 : b.promise_ends.end();
  Sum running = b.running_after(std::max(start, now));
  // What should have ended by now and has not is expected to end at any moment.
  std::int64_t overdue = start <= now ? b.work_mw - running.milliwatts : 0;
  while (true) {
    const std::int64_t others = running.milliwatts + overdue + promised.at(start).milliwatts;
    const bool fits_now = b.idle_mw + others + draw.milliwatts <= b.budget_at(start);
    // What it would draw then must be there though nothing is capped for it.
    const Stay stay{.from = start,
                    .until = window_end(start, wish.length_s),
                    .yields_from = time_after(start, wish.yields_after)};
    if (fits_now && !lack_later(draw, stay, promised, lead_)) return start;
    const TimePoint next_end = end == b.ends.end() ? kNever : end->first;
    const TimePoint next_change = change == b.changes.end() ? kNever : change->first;
    const TimePoint next_promise = promise_end == b.promise_ends.end() ? kNever : promise_end->first.first;
    const TimePoint next = std::min({next_end, next_change, next_promise});
    if (next == kNever && overdue == 0) return kNever;
    overdue = 0;
    if (next == kNever) {
      start += std::chrono::seconds(1);
      continue;
    }
    start = next;
    if (next_end == start) running.add((end++)->second, -1);
    if (next_change == start) ++change;
    while (promise_end != b.promise_ends.end() && promise_end->first.first == start) ++promise_end;
  }
}

TimePoint PowerLedger::earliest(std::span<const ScopeDraw> draws, TimePoint from, TimePoint now,
                                const Wish& wish) const {
  TimePoint start = from;
  for (bool moved = true; moved && start != kNever;) {
    moved = false;
    for (const ScopeDraw& d : draws) {
      const TimePoint found = earliest_in(d, start, now, wish);
      if (found != start) moved = true;
      start = found;
      if (start == kNever) break;
    }
  }
  return start;
}

bool PowerLedger::is_behind(std::span<const ScopeDraw> draws, TimePoint now, TimePoint at) const {
  return std::ranges::any_of(draws, [&](const ScopeDraw& d) {
    const auto& ends = d.budget->promise_ends;
    const auto it = ends.upper_bound(std::pair(now, kNever));
    return it != ends.end() && it->first.first <= at;
  });
}

}  // namespace millrace::scheduler
