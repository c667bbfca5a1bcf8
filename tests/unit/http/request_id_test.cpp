#include "http/request_id.hpp"

#include <gtest/gtest.h>

namespace pebbles::http {
namespace {

TEST(RequestId, KeepsWhatNeedsNoEscaping) {
  for (const auto& given : std::vector<std::string>{"a", "7c9e6679-7425-40de-944b-e07fc1f90ae7",
                                                    "Root=1-5759e988:bd/+=@~._", std::string(128, 'x')})
    EXPECT_EQ(request_id_of(given), given);
}

TEST(RequestId, MakesOneForWhatIsNone) {
  for (const auto& given : std::vector<std::string>{"", " ", "a b", "a\"b", "a\\b", "<a>", "a\nb", "\xc3\xa4", "a,b",
                                                    std::string(129, 'x')}) {
    const auto made = request_id_of(given);
    EXPECT_NE(made, given);
    EXPECT_EQ(made.size(), 16);
    EXPECT_NE(made, request_id_of(given));
  }
}

}  // namespace
}  // namespace pebbles::http
