// The role `supervise` as a program of its own, so that tests need no other part of Millrace.
#include "executor/supervise.h"

int main(int argc, char** argv) { return argc == 2 ? millrace::executor::supervise_main(argv[1]) : 2; }
