#include "http/authority.hpp"

#include <algorithm>
#include <boost/url/parse.hpp>

namespace pebbles::http {

bool is_authority(std::string_view text) {
  // What nearly every client sends needs no parser.
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
  if (plain == text.size()) return true;
  const auto found = boost::urls::parse_authority({text.data(), text.size()});
  return found && !found->has_userinfo();
}

}  // namespace pebbles::http
