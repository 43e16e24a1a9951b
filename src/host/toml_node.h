// TomlNode: a document in our own form, whatever it was written in. Private to host.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/clock.h"

namespace millrace::host {

/// The document in our own form: what the readers need, and whether they asked for it.
struct TomlNode {
  struct Member {
    std::string key;
    std::unique_ptr<TomlNode> node;
  };
  using Members = std::vector<Member>;  // in order of their lines
  using Elements = std::vector<std::unique_ptr<TomlNode>>;
  struct Absent {};  // a value of a type that no reader takes (a time of day)
  std::variant<Absent, std::string, std::int64_t, double, bool, TimePoint, Members, Elements> value;
  std::int64_t line = 0;
  bool asked = false;
  bool visited = false;  // a table: some key of it was asked for
};

}  // namespace millrace::host
