#include "cli/ignore.h"

#include <algorithm>
#include <span>

namespace millrace::cli {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (true) {
    const auto slash = path.find('/');
    parts.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

/// Length of the set that `glob` begins with ("[a-z]"), 0 if it is none; `holds` says whether `c` is in it.
std::size_t match_set(std::string_view glob, char c, bool& holds) {
  std::size_t at = 1;
  const bool negated = glob.size() > 1 && (glob[1] == '!' || glob[1] == '^');
  if (negated) ++at;
  holds = false;
  for (const std::size_t first = at; at < glob.size() && (glob[at] != ']' || at == first); ++at) {
    if (at + 2 < glob.size() && glob[at + 1] == '-' && glob[at + 2] != ']') {
      holds |= glob[at] <= c && c <= glob[at + 2];
      at += 2;
    } else {
      holds |= glob[at] == c;
    }
  }
  if (at >= glob.size()) return 0;
  holds ^= negated;
  return at + 1;
}

/// Takes one element of the glob and one character, if they fit; false if not.
bool take_one(std::string_view& glob, char c) {
  if (glob.empty()) return false;
  if (glob.front() == '?') {
    glob.remove_prefix(1);
    return true;
  }
  if (glob.front() == '[') {
    bool holds = false;
    if (const auto length = match_set(glob, c, holds); length > 0) {
      if (holds) glob.remove_prefix(length);
      return holds;
    }
  }
  const bool escaped = glob.front() == '\\' && glob.size() > 1;
  if (glob[escaped ? 1 : 0] != c) return false;
  glob.remove_prefix(escaped ? 2 : 1);
  return true;
}

/// Each "**" may take any number of parts: for each part of the pattern, which prefixes of the path it can follow.
bool matches_parts(std::span<const std::string> glob, std::span<const std::string> path) {
  std::vector<bool> reach(path.size() + 1);
  reach[0] = true;
  for (const std::string& part : glob) {
    std::vector<bool> next(path.size() + 1);
    for (std::size_t at = 0; at <= path.size(); ++at) {
      if (!reach[at]) continue;
      if (part == "**") {
        std::fill(next.begin() + static_cast<std::ptrdiff_t>(at), next.end(), true);
      } else if (at < path.size() && matches_name(part, path[at])) {
        next[at + 1] = true;
      }
    }
    reach = std::move(next);
  }
  return reach[path.size()];
}

}  // namespace

bool matches_name(std::string_view glob, std::string_view name) {
  std::string_view after_star;  // where to go on if what follows the last star does not fit
  std::string_view from;
  bool has_star = false;
  while (!name.empty()) {
    if (glob.starts_with('*')) {
      while (glob.starts_with('*')) glob.remove_prefix(1);
      has_star = true;
      after_star = glob;
      from = name;
    } else if (take_one(glob, name.front())) {
      name.remove_prefix(1);
    } else if (has_star) {
      from.remove_prefix(1);
      name = from;
      glob = after_star;
    } else {
      return false;
    }
  }
  while (glob.starts_with('*')) glob.remove_prefix(1);
  return glob.empty();
}

Ignore::Ignore(std::string_view text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    while (line.ends_with('\r') || (line.ends_with(' ') && !line.ends_with("\\ "))) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    Pattern pattern;
    pattern.negated = line.starts_with('!');
    if (pattern.negated || line.starts_with("\\#") || line.starts_with("\\!")) line.remove_prefix(1);
    pattern.folders_only = line.ends_with('/');
    while (line.ends_with('/')) line.remove_suffix(1);
    const bool tied = line.find('/') != std::string_view::npos;
    if (line.starts_with('/')) line.remove_prefix(1);
    if (line.empty()) continue;
    pattern.parts = split(line);
    if (!tied) pattern.parts.insert(pattern.parts.begin(), "**");
    patterns_.push_back(std::move(pattern));
  }
}

bool Ignore::leaves_out(std::string_view path, bool is_folder) const {
  const auto parts = split(path);
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->folders_only && !is_folder) continue;
    if (matches_parts(pattern->parts, parts)) return !pattern->negated;
  }
  return false;
}

}  // namespace millrace::cli
