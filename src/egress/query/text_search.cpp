#include "egress/query/text_search.hpp"

#include <algorithm>
#include <iterator>

#include "base/header_text.hpp"

namespace pebbles::query {

TextSearch::TextSearch(std::string_view wanted) : wanted_{wanted}, fallback_(wanted.size() + 1) {
  std::ranges::transform(wanted, std::back_inserter(folded_), lower);
  std::size_t matched = 0;
  for (std::size_t i = 1; i < folded_.size(); ++i) {
    while (matched > 0 && folded_[i] != folded_[matched]) matched = fallback_[matched];
    if (folded_[i] == folded_[matched]) ++matched;
    fallback_[i + 1] = matched;
  }
}

bool TextSearch::finds_in(std::string_view text) const {
  std::size_t matched = 0;
  for (const char raw : text) {
    const char c = lower(raw);
    while (matched > 0 && c != folded_[matched]) matched = fallback_[matched];
    if (c == folded_[matched] && ++matched == folded_.size()) return true;
  }
  return false;
}

}  // namespace pebbles::query
