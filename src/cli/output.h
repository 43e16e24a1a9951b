// Output: tables and numbers for people.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace millrace::cli {

/// Columns padded to their widest cell, one line a row, to stdout.
void print_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);

/// One JSON text and a newline, to stdout.
void print_json(const boost::json::value& value);

/// The members of each item as cells.
std::vector<std::vector<std::string>> rows_of(const std::vector<boost::json::value>& items,
                                              const std::vector<std::string>& members);

/// Items as a JSON array, or as a table of these members. kOk.
int print_items(const boost::json::array& items, const std::vector<std::string>& members, bool as_json);

class Client;
/// Every element of a list, over all its pages, as print_items; the exit code.
int print_list(const Client& client, const std::string& path, const std::vector<std::string>& members,
               bool as_json);

/// One member a line, its name padded to `width`.
void print_object(const boost::json::value& object, std::size_t width = 20);

inline constexpr const char* kRlimitsMean =
    "rlimits, memory and processes are looked at, processor time is not limited";

/// Where nodes hold work by rlimits: what that means, and which nodes if not all; empty where none does.
std::string limits_line(const boost::json::array& nodes);

/// A line on stderr that replaces the one before; only on a terminal. `last`: it stays.
void show_progress(const std::string& line, bool last);

/// Text of the member, "-" if it is absent or null. Numbers without needless digits.
std::string cell(const boost::json::value& object, std::string_view member);

/// Tells the error on stderr and returns the exit code that fits it.
int report(const Error& error);

}  // namespace millrace::cli
