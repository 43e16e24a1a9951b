// Ignore: which files a .millraceignore leaves out; its patterns are those of .gitignore (git 2.39, gitignore(5)). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

class Ignore {
 public:
  /// One pattern a line: '#' begins a comment, '!' takes back what an earlier line left out, '/' at the end matches
  /// folders only, '/' elsewhere ties it to the top; '*', '?', '[a-z]' stay within a name, '**' does not.
  explicit Ignore(std::string_view text);

  /// `path` without a slash at either end, below the top. The last pattern that matches decides. What lies in a folder that
  /// is left out is left out, too; so do not ask for it.
  bool leaves_out(std::string_view path, bool is_folder) const;

 private:
  struct Pattern {
    std::vector<std::string> parts;  // of the path; "**" is any number of them
    bool negated = false, folders_only = false;
  };
  std::vector<Pattern> patterns_;
};

/// True if the glob of one name matches all of it.
bool matches_name(std::string_view glob, std::string_view name);

}  // namespace millrace::cli
