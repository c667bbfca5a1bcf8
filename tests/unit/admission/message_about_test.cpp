#include "admission/message_about.hpp"

#include <gtest/gtest.h>

namespace pebbles::admission {
namespace {

const std::string trace = "0af7651916cd43dd8448eb211c80319c";
const std::string parent = "00-" + trace + "-b7ad6b7169203331-01";
const std::string half = "00-" + trace;
const std::string other = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

struct Case {
  std::string value;
  std::vector<MessageHeader> headers;
  std::string client;
  std::string file;
  bool is_traced = false;
};

TEST(MessageAbout, FindsWhatThereIs) {
  for (const auto& [value, headers, client, file, is_traced] : std::vector<Case>{
           {R"({"clientKrn":"krn:a","filename":"f"})", {{"traceparent", parent}}, "krn:a", "f", true},
           {R"({"clientKrn":"nonsense","counts":7})",
            {{"Traceparent", other}, {"traceparent", parent}},
            "nonsense",
            "",
            true},
           {R"({"clientKrn":7,"filename":["f"]})", {{"traceparent", half}}, "", "", false},
           {"{nonsense", {{"ce_traceparent", parent}}, "", "", true},
           {"", {}, "", "", false},
           {R"({"filename":"f","traceparent":")" + parent + "\"}", {}, "", "f", false},
           {R"({"specversion":"1.0","traceparent":")" + parent + R"(","data":{"clientKrn":"krn:a","filename":"f"}})",
            {},
            "krn:a",
            "f",
            true},
           {R"({"specversion":"1.0","traceparent":")" + other + R"(","data":"text"})",
            {{"traceparent", parent}},
            "",
            "",
            true},
           {std::string(2'000'000, ' ') + R"({"filename":"f"})", {{"traceparent", parent}}, "", "", true},
       }) {
    const auto about = about_message(value, headers);
    EXPECT_EQ(about.client, client) << value;
    EXPECT_EQ(about.file, file) << value;
    EXPECT_EQ(about.trace.trace_id == trace, is_traced) << value;
    EXPECT_TRUE(parse_traceparent(to_traceparent(about.trace)));
  }
}

}  // namespace
}  // namespace pebbles::admission
