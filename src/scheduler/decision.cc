#include "scheduler/decision.h"

#include <fmt/format.h>

#include <array>

namespace millrace::scheduler {
namespace {

constexpr std::array kNames = {"none",         "not_before",    "never_fits", "capacity",    "domain",
                               "spread",       "promised",      "quota",      "quota_kept",  "power",
                               "preempting",   "priority",      "reclaim",    "budget_fall", "budget_room",
                               "budget_start", "budget_shared", "node_down"};

/// Accelerators and cores are kept in thousandths, power in milliwatts.
std::string number(std::int64_t value, const std::string& resource) {
  if (resource == "W") return fmt::format("{}", (value + 500) / 1000);
  if (resource != "accelerators" && resource != "cores") return fmt::format("{}", value);
  if (value % 1000 == 0) return fmt::format("{}", value / 1000);
  return fmt::format("{}", static_cast<double>(value) / 1000.0);
}

/// "1 core", "64 cores".
std::string amount(std::int64_t value, const std::string& resource) {
  const std::string figure = number(value, resource);
  const bool one = figure == "1" && resource.ends_with('s');
  return fmt::format("{} {}", figure, one ? resource.substr(0, resource.size() - 1) : resource);
}

std::string other_of(const Reason& reason, std::string_view called) {
  return reason.other ? fmt::format("{}{}", called, *reason.other) : std::string("other work");
}

/// ", next at 2026-11-22 14:20 when 17 ends"
std::string expected(const Reason& reason, std::string_view called) {
  if (!reason.at && !reason.other) return "";
  if (!reason.at)
    return fmt::format(", next when {} ends, which has no time limit", other_of(reason, called));
  std::string text = fmt::format(", next at {}", minute_of(*reason.at));
  if (reason.other) text += fmt::format(" when {} ends", other_of(reason, called));
  return text;
}

/// "; 2 nodes that could serve it take nothing new (cordoned or down)"
std::string closed(const Reason& reason) {
  if (reason.closed == 0) return "";
  return fmt::format("; {} that could serve it {} nothing new (cordoned or down)",
                     amount(reason.closed, "nodes"), reason.closed == 1 ? "takes" : "take");
}

std::string lacking(const Reason& reason, std::string_view where, std::string_view called) {
  const std::string free = number(reason.free, reason.resource);
  return fmt::format("needs {}{}; {} {} free{}{}", amount(reason.needed, reason.resource), where, free,
                     free == "1" ? "is" : "are", expected(reason, called), closed(reason));
}

/// "needs 3 different rails; 2 have room", "needs a rack without another replica of it; 0 have room"
std::string spread_text(const Reason& reason, std::string_view called) {
  const std::string one = reason.resource.substr(0, reason.resource.size() - 1);
  return fmt::format("needs {}{}; {} {} room{}{}",
                     reason.needed == 1
                         ? "a " + one
                         : fmt::format("{} different {}{}", reason.needed, reason.resource, reason.where),
                     reason.subject.empty() ? "" : " without another replica of it", reason.free,
                     reason.free == 1 ? "has" : "have", expected(reason, called), closed(reason));
}

std::string from(const Reason& reason) {
  return reason.at ? fmt::format(" from {} on", minute_of(*reason.at)) : std::string();
}

std::string hold_text(const Reason& r, std::string_view called) {
  switch (r.code) {
    case ReasonCode::kNotBefore:
      return r.at ? fmt::format("waits until {}", minute_of(*r.at)) : "waits";
    case ReasonCode::kNeverFits:
      if (r.resource == "nodes") return r.subject;
      if (r.resource != "tasks")
        return fmt::format("needs {} on one node; the largest that meets its constraints has {}",
                           amount(r.needed, r.resource), number(r.free, r.resource));
      return fmt::format(
          "needs {}{}; the nodes that meet its constraints could hold {} even if they were empty",
          amount(r.needed, r.resource), r.subject, number(r.free, r.resource));
    case ReasonCode::kCapacity:
      return lacking(r, r.subject, called);
    case ReasonCode::kDomain:
      return lacking(r, r.subject + " in one domain", called);
    case ReasonCode::kSpread:
      return spread_text(r, called);
    case ReasonCode::kPromised:
      return fmt::format("what is free is promised to {}{}", other_of(r, called),
                         r.at ? " at " + minute_of(*r.at) : "");
    case ReasonCode::kQuota:
      return fmt::format("the quota of {} has {} left; {} are needed", r.subject, amount(r.free, r.resource),
                         number(r.needed, r.resource));
    case ReasonCode::kQuotaKept:
      return fmt::format("what is left of the quota of {} is kept for {}, which goes first", r.subject,
                         other_of(r, called));
    case ReasonCode::kPower:
      return fmt::format("needs {}; the power budget of {} leaves {}{}", amount(r.needed, "W"), r.subject,
                         amount(r.free, "W"), from(r));
    case ReasonCode::kPreempting:
      return fmt::format("waits for work that was told to stop{}", r.at ? ", until " + minute_of(*r.at) : "");
    default:
      return "";
  }
}

}  // namespace

std::string minute_of(TimePoint time) {
  const std::string text = to_rfc3339(time);
  const std::string seconds = text.substr(16, 3);
  return text.substr(0, 10) + ' ' + text.substr(11, 5) + (seconds == ":00" ? "" : seconds);
}

const char* name_of(ReasonCode code) { return kNames[static_cast<std::size_t>(code)]; }

std::string Reason::text(std::string_view called) const {
  switch (code) {
    case ReasonCode::kPriority:
      return fmt::format("stopped for {}, which has a higher priority", other_of(*this, called));
    case ReasonCode::kReclaim:
      return fmt::format("stopped for {}: {} takes back what was borrowed from it", other_of(*this, called),
                         subject.empty() ? "its owner" : subject);
    case ReasonCode::kBudgetFall:
      return fmt::format("the power budget of {} is {}{}", subject, amount(free, "W"), from(*this));
    case ReasonCode::kBudgetRoom:
      return fmt::format("the power budget of {} has room again", subject);
    case ReasonCode::kBudgetStart:
      return fmt::format("capped to fit the power budget of {}", subject);
    case ReasonCode::kBudgetShared:
      return fmt::format("capped so that {} may run within the power budget of {}", other_of(*this, called),
                         subject);
    case ReasonCode::kNodeDown:
      return fmt::format("node {} is down", subject);
    default:
      return hold_text(*this, called);
  }
}

}  // namespace millrace::scheduler
