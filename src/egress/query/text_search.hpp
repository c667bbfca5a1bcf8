#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace pebbles::query {

/// Looks for one text in others. ASCII letters match in either case, all else byte by byte. A search takes time in
/// proportion to the bytes of the text it looks through, whatever both are (Knuth, Morris and Pratt, 1977).
class TextSearch {
 public:
  /// Precondition: not empty.
  explicit TextSearch(std::string_view wanted);

  [[nodiscard]] bool finds_in(std::string_view text) const;
  [[nodiscard]] const std::string& wanted() const { return wanted_; }

 private:
  std::string wanted_;
  std::string folded_;
  std::vector<std::size_t>
      fallback_;  ///< for so many matched bytes: of how many a match goes on where the next differs
};

}  // namespace pebbles::query
