#include "http/accept.hpp"

#include <gtest/gtest.h>

#include <array>

#include "http/attachment.hpp"

namespace pebbles::http {
namespace {

constexpr std::array<std::string_view, 3> types{"application/json", "application/x-ndjson", "text/csv"};

TEST(Accept, ThePreferredType) {
  struct Case {
    std::string_view accept;
    std::size_t chosen;
  };
  for (const auto& [accept, chosen] : {
           Case{"", 0},
           {"text/csv", 2},
           {"TEXT/CSV; charset=utf-8", 2},
           {"application/x-ndjson", 1},
           {"*/*", 0},
           {"text/*", 2},
           {"image/png", 0},
           {"text/html,application/xhtml+xml,*/*;q=0.8", 0},
           {"text/csv;q=0.5, application/json;q=0.4", 2},
           {"text/csv;q=0.5, application/json", 0},
           {"application/json;q=0, */*;q=0.1", 1},
           {"text/csv;q=0, */*", 0},
           {"*/*;q=0.2, text/*;q=0.9, text/csv;q=0.1, application/*;q=0.3", 0},
           {"text/csv; header=present; q=0.9, application/json;q=0.8", 2},
           {"text/csv;q=2", 0},
           {"text/csv;q=abc, application/x-ndjson;q=0.001", 1},
           {",,;;,text/csv,,", 2},
           {"text", 0},
           {"/*", 0},
       })
    EXPECT_EQ(preferred(accept, types), chosen) << accept;
}

TEST(Attachment, IsHarmlessWhateverAFileIsCalled) {
  struct Case {
    std::string_view stem;
    std::string_view value;
  };
  for (
      const auto& [stem, value] : {
          Case{"sales.csv", R"(attachment; filename="sales.csv-errors.csv"; filename*=UTF-8''sales.csv-errors.csv)"},
          {"in/2024/sales", R"(attachment; filename="sales-errors.csv"; filename*=UTF-8''sales-errors.csv)"},
          {R"(C:\x\sales)", R"(attachment; filename="sales-errors.csv"; filename*=UTF-8''sales-errors.csv)"},
          {"../..", R"(attachment; filename="file-errors.csv"; filename*=UTF-8''file-errors.csv)"},
          {".bashrc", R"(attachment; filename="bashrc-errors.csv"; filename*=UTF-8''bashrc-errors.csv)"},
          {"a\"; b=\r\nX: y%$(rm)",
           R"(attachment; filename="a__ b___X_ y___rm_-errors.csv"; filename*=UTF-8''a__%20b___X_%20y___rm_-errors.csv)"},
          {"Umsätze 2024",
           "attachment; filename=\"Ums_tze 2024-errors.csv\"; "
           "filename*=UTF-8''Ums%C3%A4tze%202024-errors.csv"},
          {"vsc\u202egnp", R"(attachment; filename="vsc_gnp-errors.csv"; filename*=UTF-8''vsc_gnp-errors.csv)"},
          {"", R"(attachment; filename="file-errors.csv"; filename*=UTF-8''file-errors.csv)"},
      })
    EXPECT_EQ(attachment(stem, "-errors.csv"), value);
  const auto long_one = attachment(std::string(149, 'x') + "ää", ".csv");
  EXPECT_EQ(long_one.find("%C3"), long_one.npos) << "a character is whole or not there";
}

}  // namespace
}  // namespace pebbles::http
