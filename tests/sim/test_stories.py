"""Stories that the simulator has told, each of a fault that is mended. New ones: ``--shrink`` prints them."""

from __future__ import annotations

from tests.sim.acts import Act
from tests.sim.history import History


def holds(*script: Act) -> None:
    failure = History(script).run()
    assert failure is None, failure


def test_an_open_file_that_was_deleted_comes_before_what_has_its_name() -> None:
    holds(
        ("setup", 0, 1, 0),  # 1 line is in a.log at the first start
        ("copytruncate", 0, 0, 1),  # a.log is copied to .1 and truncated, 1 line is written then
        ("replace", 0, 1),  # a.log is deleted and made anew with 1 line
    )


def test_an_open_file_that_was_deleted_comes_before_what_was_rotated_since() -> None:
    holds(
        ("rotate_chain", 0, 1),  # a.log is rotated once, with 2 lines
        ("look",),
        ("copytruncate", 0, 0, 1),
        ("rotate", 0, 1),
        ("delete", 0, 1),  # the file that was truncated
        ("rotate", 0, 0),
    )


def test_bytes_of_what_took_its_place_are_not_lost_bytes_of_a_file() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("truncate", 0, 1),  # 1 line is written then, which is longer than what was read
        ("kill",),
    )


def test_a_rotation_while_the_files_are_being_opened() -> None:
    holds(
        ("race", 7, "rotate", 0, 0),  # at the daemon's seventh call
        ("write", 0, 0, 0),
        ("rotate_chain", 0, 2),
        ("rotate", 0, 1),
        ("look",),
    )


def test_a_rotation_while_a_lost_file_is_searched_for() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("rotate", 0, 1),
        ("race", 15, "rotate_chain", 0, 2),
        ("copytruncate", 0, 0, 1),
        ("look",),
    )


def test_a_file_that_is_gone_after_a_remount_does_not_hold_up_its_successor() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("stop",),
        ("move_out", 0, 0),
        ("rotate", 0, 3),
        ("remount",),  # the file system has another device number
    )


def test_a_file_that_was_truncated_before_a_remount_is_read() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("truncate", 0, 5),
        ("stop",),
        ("remount",),
        ("write", 0, 3, 0),
    )


def test_what_was_sent_behind_a_record_that_is_not_taken_comes_again() -> None:
    holds(
        ("brokers_away",),
        ("write", 1, 0, 0),
        ("look",),
        ("no_topic", 0),
        ("write", 1, 0, 0),
    )


def test_a_file_that_is_truncated_between_two_reads_gives_no_line_of_both() -> None:
    holds(
        ("race", 16, "copytruncate", 1, 0, 1),
        ("look",),
        ("look",),
        ("rotate", 1, 1),
        ("look",),
    )


def test_files_that_end_while_something_is_on_trial_do_not_wait_for_each_other_for_ever() -> None:
    holds(
        ("write", 0, 2, 0),
        ("delete", 0, 0),
        ("rotate", 0, 1),
        ("race", 34, "compress", 1, 0, 0),  # b.log.1, whose last line has no end
        ("race", 0, "rotate", 1, 0),
        ("unwanted", 3),  # its batch is narrowed down
        ("write_half", 1),
        ("wait", 1),
    )


def test_lines_of_which_a_power_cut_has_left_nothing_have_no_offset_any_more() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("wait", 1),
        ("rotate", 0, 1),
        ("brokers_away",),
        ("compress", 0, 0, 1),
        ("write_unsynced", 0, 0),
        ("look",),
        ("power_cut",),
    )


def test_what_a_stop_could_not_save_is_rather_told_to_be_lost() -> None:
    holds(
        ("setup", 2, 0, 0),
        ("write", 0, 2, 0),
        ("write_half", 0),
        ("write", 0, 2, 0),
        ("write", 0, 2, 0),
        ("look",),
        ("truncate", 0, 0),
        ("state_full", 1),
        ("stop",),
    )


def test_the_old_name_of_a_deleted_file_tells_nothing_of_the_age_of_others() -> None:
    rotated_meanwhile: tuple[Act, ...] = (
        ("write", 1, 0, 0),
        ("no_topic", 0),
        ("rotate", 1, 1),
        ("lose_events",),
        ("beat",),  # two files are known, and nothing is read
        ("rotate", 1, 1),
        ("rotate", 1, 1),
        ("kill",),
        ("rotate", 1, 0),  # the oldest file is deleted
    )
    holds(*rotated_meanwhile)
    holds(*rotated_meanwhile, ("remount",))


def test_a_rotation_while_it_is_decided_what_the_files_of_another_rotation_are() -> None:
    holds(
        ("race", 28, "compress", 0, 0, 0),
        ("rotate", 0, 1),
        ("rotate_chain", 0, 3),
        ("race", 15, "rotate_chain", 0, 1),
        ("look",),
    )


def test_two_rotations_while_a_truncated_file_is_searched_for() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("copytruncate", 0, 0, 1),
        ("wait", 0),
        ("copytruncate", 0, 0, 0),
        ("write", 1, 0, 0),
        ("race", 20, "rotate_chain", 1, 2),
        ("wait", 0),
    )


def test_a_stop_while_a_transactional_client_cannot_be_opened_waits_instead_of_asking_on_and_on() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("exactly_once",),
        ("fatal", 0, 0),  # the client gives up, and another is to be opened
        ("brokers_away",),
        ("stop",),
    )


def test_the_id_of_a_file_that_is_gone_and_was_never_opened_tells_nothing_of_who_has_it_after_a_restart() -> None:
    holds(
        ("race", 4, "restore", 1, 4),  # b.log is replaced by a file with the same bytes before it was opened
        ("write", 1, 1, 0),
        ("wait", 0),
        ("copytruncate", 1, 0, 0),  # its copy is given the id of the first file
        ("stop",),
    )


def test_the_parts_of_a_long_last_line_do_not_wait_for_a_silence_each() -> None:
    holds(
        ("exactly_once",),
        ("long_lines",),
        ("write", 0, 0, 0),
        ("write_half", 1),  # it has four parts
        ("rotate", 1, 0),  # b.log is rotated, and its last line is sent as it is
    )


def test_an_older_file_is_opened_again_where_only_younger_ones_are_open() -> None:
    holds(
        ("few_open", 0),
        ("brokers_away",),
        ("write", 0, 5, 0),
        ("rotate", 0, 3),
        ("rotate_chain", 0, 2),
        ("wait", 0),
        ("fatal", 0, 0),  # everything is to be sent again, and the last file is open
    )


def test_no_file_gives_way_to_another_that_was_deleted_just_now() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("few_open", 1),
        ("rotate", 1, 1),
        ("wait", 0),
        ("truncate", 0, 6),
        ("restore", 1, 0),
        ("race", 4, "delete", 0, 0),  # while b.log is looked for and opened
        ("wait", 0),
    )


def test_a_remounted_file_goes_on_although_it_was_finished_and_has_grown() -> None:
    holds(
        ("write", 1, 0, 0),
        ("rotate", 1, 1),
        ("calm",),
        ("stop",),
        ("write_late", 1),
        ("remount",),
    )


def test_a_second_name_takes_nothing_from_what_is_open() -> None:
    holds(
        ("race", 0, "link", 0),
        ("restore", 0, 1),
        ("copytruncate", 0, 0, 1),
        ("look",),
        ("copytruncate", 0, 0, 0),
        ("write", 0, 5, 0),
        ("delete", 0, 0),  # the first name
    )


def test_what_has_the_name_comes_after_what_was_rotated_wherever_it_goes_on() -> None:
    holds(
        ("write", 0, 0, 0),
        ("wait", 0),
        ("race", 0, "restore", 0, 0),
        ("copytruncate", 0, 0, 0),
        ("write_half", 0),
        ("copytruncate", 0, 0, 1),
        ("look",),
    )


def test_a_file_that_is_deleted_while_a_copy_is_looked_at_comes_after_it_all_the_same() -> None:
    holds(
        ("race", 0, "truncate", 0, 0),
        ("write", 0, 0, 0),
        ("look",),
        ("power_cut",),
        ("write", 0, 0, 0),
        ("start", 0),
        ("copytruncate", 0, 0, 1),
        ("race", 11, "replace", 0, 0),
        ("beat",),
    )


def test_a_copy_over_an_empty_rotated_file_is_a_copy() -> None:
    holds(
        ("write_unsynced", 0, 0),
        ("copytruncate", 0, 0, 0),
        ("wait", 0),
        ("rotate", 0, 1),  # an empty file
        ("look",),
        ("copytruncate", 0, 0, 0),
    )


def test_a_late_line_in_a_rotated_file_that_was_empty() -> None:
    holds(
        ("race", 0, "copytruncate", 1, 0, 0),
        ("restore", 1, 1),
        ("look",),
        ("rotate", 1, 1),
        ("wait", 0),
        ("lose_events",),
        ("write_late", 1),
    )


def test_a_late_line_that_is_seen_while_something_else_is_searched_for() -> None:
    holds(
        ("write", 0, 0, 0),
        ("rotate", 0, 1),
        ("wait", 0),
        ("race", 2, "write_late", 0),
        ("truncate", 0, 0),
        ("look",),
        ("rotate", 0, 0),  # what is told of the late line's file by its name is told of another one
    )


def test_what_took_the_number_and_the_name_of_a_finished_file_has_that_name() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("replace", 0, 1),
        ("wait", 0),
        ("rotate", 0, 1),
        ("stop",),
        ("rotate", 0, 1),
    )


def test_what_is_truncated_and_deleted_comes_before_what_was_rotated_since() -> None:
    holds(
        ("write_half", 0),
        ("look",),
        ("truncate", 0, 1),
        ("no_topic", 0),
        ("look",),
        ("delete", 0, 0),
        ("rotate_chain", 0, 2),
    )


def test_what_was_aborted_and_waits_to_be_read_again_is_not_saved_as_finished() -> None:
    holds(
        ("setup", 0, 2, 0),
        ("exactly_once",),
        ("unwanted", 0),
        ("kill_at", 0),
        ("rotate", 0, 1),
        ("wait", 0),
        ("start", 0),
        ("look",),  # what is refused is aborted with all that was sent
        ("rotate", 0, 0),
        ("kill",),
    )


def test_a_name_that_no_glob_matches_does_not_hide_where_a_known_file_was_rotated_to() -> None:
    holds(
        ("write", 0, 0, 0),
        ("rotate", 1, 1),
        ("look",),
        ("race", 5, "rotate_chain", 0, 2),
        ("rotate", 1, 1),
        ("copytruncate", 1, 0, 0),
        ("write", 0, 0, 0),
        ("link", 0),
        ("look",),
    )


def test_what_was_restored_under_the_number_of_an_older_file_is_the_newest() -> None:
    holds(
        ("write_half", 0),
        ("copytruncate", 0, 0, 0),
        ("look",),
        ("replace", 0, 1),
        ("rotate", 0, 1),
        ("wait", 0),
        ("stop",),
        ("restore", 0, 0),
    )


def test_what_has_the_id_of_an_empty_rotated_file_and_the_name_of_the_path_is_the_newest() -> None:
    holds(
        ("write", 1, 0, 0),
        ("replace", 1, 1),
        ("copytruncate", 1, 0, 0),
        ("slow", 1),
        ("look",),
        ("rotate", 1, 1),
        ("unwanted", 1),
        ("race", 6, "rotate_chain", 1, 2),
        ("slow", 0),
        ("look",),
        ("stop",),
        ("rotate", 1, 0),
        ("write_half", 1),
    )


def test_what_is_deleted_in_the_middle_of_a_first_look_is_the_newest_of_what_was_there() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("race", 12, "move_out", 0, 2),
        ("stop",),
        ("rotate", 0, 1),
        ("race", 13, "replace", 0, 0),
        ("rotate_chain", 0, 3),
        ("start", 1),
    )


def test_a_late_line_in_a_file_that_was_empty_does_not_end_the_file_that_was_restored() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("truncate", 0, 0),
        ("rotate", 0, 1),
        ("look",),
        ("restore", 0, 0),
        ("write_late", 0),
        ("write_half", 0),
    )


def test_a_copy_over_an_empty_rotated_file_that_waits_comes_once() -> None:
    story: list[Act] = [
        ("race", 18, "rotate", 0, 1),
        ("write", 0, 0, 0),
        ("power_cut",),
        ("copytruncate", 0, 0, 0),
        ("no_topic", 0),
        ("start", 1),
        ("copytruncate", 0, 0, 0),
    ]
    holds(*story, ("compress", 0, 0, 0))
    holds(*story, ("look",), ("compress", 0, 0, 0))
    holds(*story, ("look",))


def test_a_copy_over_a_rotated_file_that_waits_is_noticed_before_the_file_itself_is_deleted() -> None:
    holds(
        ("write", 1, 0, 0),
        ("no_topic", 0),
        ("copytruncate", 1, 0, 0),
        ("look",),
        ("write", 1, 0, 0),
        ("copytruncate", 1, 0, 1),
        ("look",),
        ("delete", 1, 0),
    )


def test_a_copy_over_a_rotated_file_that_waits_is_noticed_before_the_next_rotations() -> None:
    holds(
        ("setup", 2, 1, 0),
        ("copytruncate", 0, 0, 1),
        ("brokers_away",),
        ("write", 1, 4, 0),
        ("copytruncate", 1, 0, 1),
        ("write", 0, 0, 0),
        ("look",),
        ("copytruncate", 1, 0, 0),
        ("wait", 0),
        ("rotate_chain", 1, 3),
    )


def test_a_copy_that_is_moved_away_while_it_is_open_is_read() -> None:
    holds(
        ("restore", 1, 1),
        ("rotate", 1, 0),
        ("write", 1, 0, 0),
        ("wait", 0),
        ("write", 1, 1, 0),
        ("kill",),
        ("brokers_away",),
        ("write", 1, 3, 0),
        ("start", 1),
        ("copytruncate", 1, 0, 0),
        ("look",),
        ("move_out", 1, 1),
    )


def test_what_is_written_over_and_deleted_beside_its_compressed_form_is_taken_for_shredded() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("race", 6, "delete", 0, 1),
        ("rotate", 0, 3),
        ("copytruncate", 0, 0, 0),
        ("compress", 0, 0, 1),
    )


def test_parts_of_a_long_line_are_committed_where_the_rest_of_it_is_lost() -> None:
    holds(
        ("exactly_once",),
        ("long_lines",),
        ("rotate", 1, 1),
        ("kill",),
        ("start", 1),
        ("write", 1, 0, 0),
        ("race", 6, "truncate", 1, 0),
        ("wait", 0),
    )


def test_what_may_not_be_read_when_it_is_found_rotated_holds_nothing_up() -> None:
    holds(
        ("deep",),
        ("write", 1, 0, 0),
        ("deny", 1, 0),
        ("rotate", 1, 1),
        ("look",),
    )


def test_a_file_is_no_copy_of_another_that_was_written_over_a_moment_ago() -> None:
    holds(
        ("write", 0, 0, 0),
        ("brokers_away",),
        ("rotate", 0, 1),
        ("wait", 0),
        ("race", 7, "copytruncate", 0, 0, 0),  # over a.log.1, which was found unchanged just before
        ("truncate", 0, 3),
        ("restore", 0, 3),
        ("wait", 0),
    )


def test_deleted_files_that_are_open_do_not_keep_those_before_them_from_being_opened() -> None:
    holds(
        ("few_open", 0),
        ("rotate", 0, 1),
        ("copytruncate", 0, 0, 0),
        ("calm",),
        ("replace", 0, 1),  # a.log was empty, is open, and is deleted
        ("rotate", 0, 2),
        ("write", 0, 3, 0),
    )


def test_nor_do_they_when_the_first_that_was_opened_beyond_the_limit_is_deleted_too() -> None:
    holds(
        ("setup", 0, 4, 0),
        ("exactly_once",),
        ("few_open", 0),
        ("rotate_chain", 1, 3),
        ("write", 0, 1, 0),
        ("race", 24, "replace", 1, 4),
        ("look",),
        ("outlive",),  # everything is to be sent again
        ("delete", 1, 0),
    )


def test_a_file_that_was_moved_to_where_nobody_watches_gives_way_to_no_other() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("long_lines",),
        ("few_open", 3),
        ("write", 0, 3, 0),
        ("no_topic", 0),
        ("write", 1, 0, 0),
        ("write", 0, 2, 0),
        ("race", 0, "write", 0, 4, 0),
        ("rotate", 0, 2),
        ("rotate", 1, 1),
        ("look",),
        ("move_out", 0, 0),
        ("write_half", 0),
    )


def test_what_was_copied_over_a_finished_file_is_older_than_what_is_read_first_of_the_file_that_was_empty() -> None:
    holds(
        ("write_unsynced", 1, 0),
        ("rotate", 1, 1),
        ("race", 21, "truncate", 1, 0),
        ("look",),  # b.log is empty, b.log.1 is finished
        ("write_unsynced", 1, 0),
        ("copytruncate", 1, 0, 1),
    )


def test_a_file_that_goes_on_in_another_with_the_name_of_its_path_may_still_grow() -> None:
    came_back: tuple[Act, ...] = (
        ("kill",),
        ("race", 10, "restore", 1, 0),
        ("write", 1, 0, 0),
        ("move_out", 1, 0),
        ("truncate", 1, 1),
        ("race", 9, "move_back", 1, 0),  # as b.log.4, while it is looked what is there
        ("start", 1),
        ("kill",),
        ("write_half", 1),
    )
    holds(*came_back)
    holds(
        ("write", 1, 0, 0),
        ("rotate", 1, 1),
        ("deny", 1, 1),
        ("look",),
        ("restore", 1, 0),
        ("write_half", 1),
    )


def test_unsynced_first_bytes_that_a_power_cut_takes_are_missed_at_the_first_read() -> None:
    holds(
        ("race", 0, "write", 0, 4, 0),
        ("rotate_chain", 0, 3),
        ("wait", 1),
        ("write", 0, 5, 0),
        ("write_unsynced", 0, 3),
        ("no_topic", 0),
        ("rotate", 0, 0),
        ("lose_events",),
        ("beat",),
        ("power_cut",),
    )


def test_what_could_not_be_read_when_it_was_found_is_recognised_when_it_can_be() -> None:
    holds(
        ("write", 0, 0, 0),
        ("look",),
        ("restore", 0, 0),
        ("deny", 0, 0),
        ("look",),
    )


def test_a_file_that_may_not_be_read_and_goes_on_in_its_copy_keeps_its_place_in_the_order() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("deny", 0, 0),
        ("stop",),
        ("start", 0),
        ("copytruncate", 0, 0, 1),
        ("look",),
        ("rotate", 0, 1),
        ("wait", 0),
    )


def test_a_long_line_is_not_taken_with_bytes_of_what_was_truncated_meanwhile() -> None:
    holds(
        ("setup", 0, 2, 0),
        ("exactly_once",),
        ("long_lines",),
        ("commit_unknown", 0),
        ("race", 10, "copytruncate", 0, 0, 0),
        ("calm",),
    )


def test_a_file_that_is_deleted_while_a_start_waits_for_brokers_is_read() -> None:
    holds(
        ("exactly_once",),
        ("long_lines",),
        ("kill",),
        ("race", 11, "delete", 0, 0),
        ("rotate", 0, 1),
        ("write", 1, 0, 0),
        ("brokers_away",),
        ("write", 0, 0, 0),
        ("start", 0),
    )


def test_the_id_of_a_file_that_is_gone_says_nothing_while_a_start_waits_for_brokers() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("exactly_once",),
        ("two_sources",),
        ("replace", 0, 0),
        ("kill",),
        ("rotate", 1, 1),  # b.log has the id that a.log had, of which nothing was read
        ("brokers_away",),
    )


def test_a_file_that_waits_while_another_source_is_on_trial_is_no_work() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("exactly_once",),
        ("two_sources",),
        ("unwanted", 0),
        ("write", 1, 0, 0),
        ("brokers_away",),
        ("commit_unknown", 0),
        ("stop",),
        ("start", 1),
        ("slow", 1),
        ("wait", 1),
    )


def test_a_file_with_bytes_that_nobody_has_seen_gives_way_only_where_its_name_leads_to_it() -> None:
    holds(
        ("few_open", 1),
        ("two_sources",),
        ("write", 0, 0, 0),
        ("write", 1, 0, 0),
        ("look",),
        ("write", 1, 0, 0),
        ("replace", 0, 1),
        ("move_out", 1, 0),
    )


def test_what_is_held_while_a_start_waits_for_brokers_is_let_go_of() -> None:
    holds(
        ("exactly_once",),
        ("write", 1, 0, 0),
        ("wait", 0),
        ("brokers_away",),
        ("kill",),
        ("copytruncate", 1, 0, 0),
    )


def test_a_file_that_is_deleted_while_it_is_compared_with_another_stays_open() -> None:
    holds(
        ("setup", 0, 4, 0),
        ("exactly_once",),
        ("few_open", 0),
        ("write", 1, 0, 0),
        ("rotate", 0, 0),
        ("no_topic", 0),
        ("race", 38, "rotate_chain", 0, 3),
        ("look",),
        ("write_half", 0),
        ("wait", 0),
    )


def test_a_file_that_is_deleted_while_it_is_verified_that_it_was_renamed_stays_open() -> None:
    holds(
        ("setup", 0, 4, 0),
        ("long_lines",),
        ("few_open", 0),
        ("write", 0, 0, 0),
        ("unwanted", 4),
        ("restore", 1, 3),
        ("wait", 0),
        ("write", 1, 0, 0),
        ("write", 1, 0, 0),
        ("rotate", 1, 2),
        ("rotate", 0, 2),
        ("write_half", 0),
        ("rotate", 1, 3),
        ("look",),
        ("race", 16, "delete", 0, 1),
        ("write_late", 0),
        ("rotate", 0, 0),
        ("wait", 0),
    )


def test_a_rotated_file_that_no_descriptor_is_left_for_is_read_before_what_came_after_it() -> None:
    holds(
        ("faults",),
        ("rotate_chain", 0, 2),
        ("exhaust", 0),
        ("look",),
    )
    holds(
        ("faults",),
        ("exhaust", 0),
        ("write", 0, 0, 0),
        ("rotate", 0, 0),
        ("write", 0, 0, 0),
        ("wait", 0),
    )


def test_what_a_kill_has_taken_before_it_was_saved_is_rather_told_to_be_lost() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("kill",),
        ("race", 11, "rotate", 1, 0),
        ("write", 1, 0, 0),
        ("rotate_chain", 0, 1),
        ("brokers_away",),
        ("start", 1),
        ("write", 1, 0, 0),
        ("rotate", 1, 0),
        ("kill",),  # it was known how large b.log.1 is, and not yet how it begins
        ("compress", 1, 1, 0),
    )


def test_a_stop_in_the_middle_of_a_long_line_commits_nothing_of_it() -> None:
    holds(
        ("setup", 2, 0, 0),
        ("exactly_once",),
        ("long_lines",),
        ("stop",),
        ("write", 1, 1, 0),
        ("write", 0, 1, 0),
        ("start", 0),
        ("beat",),
        ("stop",),
    )


def test_half_a_long_line_after_many_short_ones_is_not_looked_at_on_and_on() -> None:
    holds(
        ("exactly_once",),
        ("long_lines",),
        ("write", 0, 5, 0),
        ("wait", 0),
        ("write_half", 0),
    )


def test_how_long_a_truncated_file_is_now_is_not_taken_for_the_length_of_its_copy() -> None:
    holds(
        ("race", 5, "rotate_chain", 0, 1),
        ("rotate_chain", 1, 2),
        ("wait", 0),
        ("write_unsynced", 1, 1),
        ("copytruncate", 1, 0, 2),
    )


def test_what_was_read_and_is_gone_from_the_file_that_was_restored_is_told_to_be_lost() -> None:
    holds(
        ("slow", 1),
        ("write", 0, 3, 0),
        ("look",),
        ("purge", 0),
        ("race", 22, "truncate", 0, 0),
        ("look",),
        ("restore", 0, 0),
        ("look",),
    )


def test_what_a_file_holds_that_was_written_over_is_not_told_to_be_lost_by_the_next_start() -> None:
    holds(
        ("setup", 2, 1, 0),
        ("write", 1, 2, 0),
        ("slow", 1),
        ("rotate_chain", 1, 2),
        ("wait", 0),
        ("truncate", 0, 2),
        ("rotate", 0, 0),
        ("write", 0, 0, 0),
        ("look",),
        ("stop",),
    )


def test_lost_bytes_are_not_searched_for_on_and_on_beside_a_truncated_file_that_may_not_be_read() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("faults",),
        ("exhaust", 0),
        ("race", 17, "delete", 0, 1),
        ("truncate", 0, 1),
        ("stop",),
        ("copytruncate", 0, 0, 1),
        ("race", 17, "copytruncate", 0, 0, 0),
        ("remount",),
        ("deny", 0, 0),
        ("start", 0),
        ("look",),
    )


def test_the_order_of_a_rotated_file_that_may_not_be_read_is_not_promised_if_it_is_compressed() -> None:
    holds(
        ("write", 1, 0, 0),
        ("rotate", 1, 1),
        ("deny", 1, 1),
        ("race", 17, "compress", 1, 0, 0),
        ("wait", 0),
    )


def test_a_truncated_file_that_was_moved_away_stays_open_however_few_may_be() -> None:
    holds(
        ("few_open", 0),
        ("write", 1, 1, 0),
        ("wait", 0),
        ("truncate", 1, 1),  # no longer than what was read
        ("write", 0, 0, 0),
        ("move_out", 1, 0),
    )


def test_a_rotated_file_that_is_moved_away_while_it_is_looked_at_stays_open_however_few_may_be() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("few_open", 0),
        ("write", 1, 0, 0),
        ("no_topic", 0),
        ("reload", 0),
        ("wait", 0),
        ("truncate", 1, 5),
        ("rotate", 1, 1),
        ("race", 5, "move_out", 1, 1),
        ("look",),
    )


def test_what_was_seen_of_a_file_at_the_beginning_of_a_round_is_not_what_it_was_truncated_to() -> None:
    holds(
        ("race", 4, "write", 0, 0, 0),
        ("rotate", 1, 1),
        ("look",),
        ("race", 3, "write_half", 1),
        ("truncate", 0, 0),
        ("write_half", 1),
        ("wait", 1),
    )


def test_the_daemon_cannot_know_what_became_of_a_file_that_it_only_held_against_another() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("replace", 0, 1),
        ("wait", 0),
        ("rotate", 0, 0),
        ("race", 20, "restore", 1, 0),
        ("stop",),
        ("write", 1, 0, 0),
        ("start", 1),
    )


def test_a_file_that_gives_errors_is_the_file_of_its_path_all_the_same() -> None:
    holds(
        ("write", 1, 0, 0),
        ("break", 1, 0),
        ("copytruncate", 1, 0, 1),
        ("look",),
        ("rotate", 1, 1),
        ("look",),
    )


def test_an_empty_file_that_gives_errors_is_taken_for_new_once() -> None:
    holds(
        ("truncate", 1, 1),
        ("copytruncate", 1, 0, 0),
        ("break", 1, 0),
        ("look",),
        ("write", 1, 0, 0),
    )


def test_a_rotated_file_comes_before_its_successor_also_where_its_predecessor_gives_errors() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("break", 0, 0),
        ("replace", 0, 0),
        ("write", 0, 0, 0),
        ("rotate", 0, 1),
        ("look",),
    )


def test_what_an_unreadable_file_turns_out_to_go_on_from_is_read_before_what_came_after_it() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("restore", 0, 1),
        ("deny", 0, 0),
        ("wait", 0),
        ("rotate", 0, 1),
    )


def test_what_is_deleted_while_the_start_waits_for_brokers_comes_after_what_was_rotated_away_before_it() -> None:
    holds(
        ("exactly_once",),
        ("kill_at", 0),
        ("look",),
        ("brokers_away",),
        ("write", 1, 0, 0),
        ("rotate", 1, 1),
        ("start", 0),
        ("replace", 1, 0),
    )


def test_a_rotated_file_that_no_descriptor_is_left_for_is_older_than_what_has_the_name_that_it_had() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("faults",),
        ("exhaust", 1),
        ("rotate_chain", 0, 3),
        ("look",),
        ("write", 1, 0, 0),
        ("race", 14, "rotate", 0, 0),
        ("look",),
    )


def test_no_rotated_file_comes_after_the_one_of_its_path_that_no_descriptor_is_left_for() -> None:
    holds(
        ("deep",),
        ("faults",),
        ("rotate", 0, 1),
        ("write", 1, 0, 0),
        ("look",),
        ("exhaust", 0),
        ("rotate", 1, 0),
        ("race", 0, "compress", 1, 1, 0),
        ("write", 1, 0, 0),
        ("stop",),
        ("rotate_chain", 0, 1),
        ("rotate", 1, 1),
        ("start", 1),
    )


def test_a_stop_that_does_not_learn_how_the_last_commit_ended_has_saved_nothing() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("exactly_once",),
        ("deep",),
        ("write", 1, 0, 0),
        ("commit_unknown", 0),
        ("look",),
        ("stop",),
        ("rotate", 1, 0),
        ("deny", 1, 1),
        ("rotate_chain", 1, 1),
        ("start", 1),
    )


def test_what_a_truncated_file_was_seen_to_hold_before_a_kill_is_not_lost_by_the_file_that_it_was() -> None:
    holds(
        ("setup", 0, 2, 0),
        ("write", 1, 0, 0),
        ("wait", 0),
        ("rotate", 0, 1),
        ("stop",),
        ("copytruncate", 1, 0, 1),
        ("race", 0, "rotate", 1, 1),
        ("start", 0),
        ("kill_at", 76),
        ("delete", 1, 1),
        ("race", 14, "rotate", 1, 0),
        ("look",),
    )


def test_a_name_that_a_younger_file_is_given_by_hand_does_not_change_the_order_in_which_files_were_rotated() -> None:
    holds(
        ("no_topic", 0),
        ("stop",),
        ("rotate_chain", 1, 2),
        ("start", 1),
        ("move_out", 1, 0),
        ("compress", 1, 0, 0),
        ("move_back", 1, 0),
    )


def test_a_file_that_has_only_a_second_name_left_is_older_than_what_was_rotated_after_it() -> None:
    holds(
        ("write", 1, 0, 0),
        ("race", 4, "write", 0, 0, 0),
        ("look",),
        ("race", 4, "copytruncate", 1, 0, 0),
        ("link", 0),
        ("race", 5, "rotate", 0, 0),
        ("look",),
        ("race", 3, "replace", 0, 1),
        ("look",),
        ("write", 0, 3, 0),
        ("wait", 1),
    )


def test_what_was_reported_is_in_the_books_before_a_source_ends() -> None:
    holds(
        ("brokers_away",),
        ("write", 0, 0, 0),
        ("reload", 0),
        ("beat",),
        ("reload", 0),
        ("report", 0, 0),
    )


def test_a_rotated_file_that_is_written_over_while_it_is_judged_is_judged_once_more() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("copytruncate", 0, 0, 0),
        ("race", 0, "restore", 0, 0),
        ("race", 20, "copytruncate", 0, 0, 0),
        ("write", 0, 0, 0),
        ("look",),
    )


def test_what_has_the_name_of_a_path_is_not_an_unreadable_file_that_was_rotated_away() -> None:
    holds(
        ("write", 0, 0, 0),
        ("break", 0, 0),
        ("look",),
        ("rotate", 0, 1),
        ("wait", 0),
        ("rotate_chain", 0, 3),
    )


def test_a_finished_file_that_was_copied_over_holds_what_is_searched_for() -> None:
    holds(
        ("setup", 2, 0, 0),
        ("few_open", 0),
        ("kill",),
        ("race", 13, "restore", 0, 2),
        ("write", 0, 0, 0),
        ("rotate_chain", 1, 1),
        ("unwanted", 1),
        ("write", 0, 0, 0),
        ("race", 0, "write_half", 0),
        ("rotate", 0, 1),
        ("start", 1),
        ("copytruncate", 0, 0, 0),
    )


def test_what_was_read_and_is_being_compressed_is_waited_for_when_it_has_to_be_sent_again() -> None:
    holds(
        ("exactly_once",),
        ("few_open", 0),
        ("rotate_chain", 1, 2),
        ("compress", 1, 0, 1),
        ("outlive",),
    )


def test_a_rotated_file_that_was_empty_is_looked_at_before_the_next_file_of_its_path_begins() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("race", 6, "write", 0, 0, 0),
        ("copytruncate", 0, 0, 0),
        ("rotate", 0, 1),
        ("look",),
        ("replace", 0, 1),
        ("copytruncate", 0, 0, 1),
    )


def test_what_was_found_while_names_were_changing_has_its_place_when_they_are_known() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("rotate", 0, 0),
        ("write", 0, 0, 0),
        ("no_topic", 0),
        ("look",),
        ("copytruncate", 0, 0, 0),
        ("write", 0, 0, 0),
        ("race", 21, "rotate_chain", 0, 3),
        ("look",),
        ("wait", 5),
    )


def test_a_finished_file_that_was_copied_over_is_looked_at_before_the_next_file_of_its_path_begins() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("few_open", 0),
        ("race", 6, "write", 0, 0, 0),
        ("rotate_chain", 0, 1),
        ("rotate_chain", 0, 1),
        ("restore", 0, 0),
        ("look",),
        ("replace", 0, 1),
        ("copytruncate", 0, 0, 1),
    )


def test_what_a_restored_file_holds_that_is_truncated_while_it_is_judged_is_not_lost() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("race", 31, "truncate", 0, 1),
        ("wait", 5),
        ("restore", 0, 0),
        ("look",),
    )


def test_what_was_deleted_comes_before_what_has_its_name_also_when_that_is_known_already() -> None:
    holds(
        ("rotate_chain", 0, 1),
        ("look",),
        ("break", 0, 0),
        ("truncate", 0, 1),
        ("replace", 0, 1),
        ("look",),
    )


def test_a_file_that_no_descriptor_was_left_for_is_still_its_paths_when_it_may_not_be_read_either() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("delete", 0, 0),
        ("exhaust", 0),
        ("write", 0, 0, 0),
        ("wait", 0),
        ("deny", 0, 0),
        ("rotate", 0, 1),
        ("wait", 4),
    )


def test_a_compressed_file_is_read_on_after_its_device_has_given_errors() -> None:
    holds(
        ("exactly_once",),
        ("brokers_away",),
        ("rotate_chain", 1, 3),
        ("compress", 1, 1, 1),
        ("wait", 3),
        ("write", 1, 5, 0),
        ("replace", 1, 4),
        ("fatal", 0, 0),
        ("break", 1, 2),
        ("look",),
    )


def test_what_was_moved_away_and_aborted_stays_open_until_it_is_sent_again() -> None:
    holds(
        ("exactly_once",),
        ("few_open", 0),
        ("write_half", 1),
        ("write", 0, 0, 0),
        ("unwanted", 0),
        ("write", 1, 2, 0),
        ("write", 1, 1, 0),
        ("look",),
        ("move_out", 1, 0),
        ("rotate", 0, 0),
        ("write_unsynced", 0, 0),
    )


def test_a_file_that_gives_errors_is_not_taken_for_the_compressed_one_whose_inode_it_has() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("few_open", 0),
        ("rotate", 0, 1),
        ("wait", 1),
        ("kill_at", 203),
        ("compress", 0, 0, 0),
        ("rotate", 0, 1),
        ("rotate", 0, 1),
        ("look",),
        ("rotate", 0, 1),
        ("write_unsynced", 0, 3),
        ("break", 0, 0),
        ("start", 1),
    )


def test_what_was_copied_over_an_empty_file_is_found_when_the_next_one_begins() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("rotate", 0, 1),
        ("write", 1, 0, 0),
        ("copytruncate", 1, 0, 0),
        ("truncate", 0, 0),
        ("race", 7, "copytruncate", 0, 1, 0),  # .1 is empty, and nothing can be said of it
        ("wait", 2),
        ("write", 0, 0, 0),
        ("copytruncate", 0, 0, 1),  # over that
    )


def test_the_beginning_of_a_long_line_is_not_sent_again_by_a_reload_when_its_rest_is_gone() -> None:
    holds(
        ("setup", 2, 1, 0),
        ("long_lines",),
        ("truncate", 1, 3),
        ("reload", 0),
        ("beat",),
        ("truncate", 1, 0),  # in the middle of a line that is sent in parts
        ("reload", 0),
    )


def test_what_a_restored_file_holds_is_not_late_though_it_was_rotated_before_it_could_be_opened() -> None:
    holds(
        ("race", 6, "restore", 1, 0),
        ("exhaust", 1),
        ("rotate", 1, 1),
        ("wait", 3),
        ("write", 1, 3, 0),
        ("wait", 3),
        ("rotate", 1, 0),
        ("write", 1, 0, 0),
    )


def test_a_closed_file_is_not_taken_for_a_finished_one_whose_inode_it_has_under_its_paths_name() -> None:
    holds(
        ("rotate_chain", 1, 2),
        ("look",),
        ("kill_at", 0),
        ("delete", 1, 1),
        ("wait", 0),
        ("replace", 1, 1),
        ("deny", 1, 0),
        ("start", 1),
        ("rotate_chain", 1, 1),
        ("wait", 0),
    )


def test_no_more_is_told_to_be_lost_than_was_in_a_file_that_got_other_bytes_while_it_was_looked_into() -> None:
    holds(
        ("race", 23, "truncate", 0, 1),
        ("write", 0, 0, 0),
        ("write_unsynced", 0, 0),
        ("copytruncate", 0, 0, 1),
        ("wait", 0),
    )


def test_what_was_copied_over_another_file_is_looked_for_there_before_it_is_told_to_be_lost() -> None:
    holds(
        ("write", 0, 0, 0),
        ("rotate", 0, 0),
        ("kill",),
        ("start", 0),
        ("no_topic", 0),
        ("write", 0, 0, 0),
        ("beat",),
        ("copytruncate", 0, 0, 0),
        ("stop",),
        ("replace", 0, 0),
    )


def test_what_was_told_to_be_lost_is_told_again_where_a_kill_came_before_that_was_saved() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("exactly_once",),
        ("power_cut",),
        ("delete", 0, 0),
        ("brokers_away",),
        ("kill_at", 106),
        ("write", 1, 0, 0),
        ("start", 1),
    )


def test_what_waits_for_a_descriptor_comes_after_what_is_found_to_go_on_in_an_older_file() -> None:
    holds(
        ("few_open", 0),
        ("deep",),
        ("write", 1, 0, 0),
        ("look",),
        ("delete", 1, 0),
        ("write", 1, 0, 0),
        ("wait", 0),
        ("race", 14, "copytruncate", 1, 1, 0),
        ("write_unsynced", 1, 0),
        ("exhaust", 0),
        ("copytruncate", 1, 0, 1),
        ("look",),
        ("wait", 0),
    )


def test_what_is_in_a_file_comes_after_what_was_in_it_before_though_that_goes_on_in_an_older_one() -> None:
    holds(
        ("race", 5, "write", 0, 0, 0),
        ("write_half", 1),
        ("rotate", 1, 1),
        ("look",),
        ("copytruncate", 1, 0, 1),
        ("look",),
        ("rotate", 1, 0),
    )


def test_what_has_the_inode_of_a_rotated_file_after_a_restart_was_not_copied_over_it() -> None:
    holds(
        ("rotate_chain", 0, 2),
        ("race", 6, "rotate", 0, 1),
        ("look",),
        ("power_cut",),
        ("rotate_chain", 0, 3),
    )


def test_what_was_copied_over_a_rotated_file_comes_after_what_was_deleted_before_that() -> None:
    holds(
        ("write_half", 1),
        ("rotate", 1, 1),
        ("look",),
        ("replace", 1, 1),
        ("copytruncate", 1, 0, 0),
    )


def test_nothing_is_told_to_be_lost_before_names_are_at_rest() -> None:
    holds(
        ("no_topic", 0),
        ("rotate", 1, 1),
        ("look",),
        ("restore", 1, 0),
        ("race", 11, "rotate_chain", 1, 1),
        ("stop",),
        ("start", 1),
    )


def test_the_copy_of_what_has_waited_is_known_though_it_was_empty_when_it_was_found() -> None:
    holds(
        ("write_half", 1),
        ("copytruncate", 1, 0, 0),
        ("look",),
        ("write_unsynced", 1, 0),
        ("look",),
        ("copytruncate", 1, 0, 0),
    )


def test_the_inode_of_a_file_that_was_written_over_and_compressed_is_given_to_the_next_that_is_rotated() -> None:
    holds(
        ("write", 1, 0, 0),
        ("look",),
        ("truncate", 1, 1),
        ("rotate", 1, 0),
        ("compress", 1, 0, 1),  # the daemon looks when half of it is there
        ("write", 1, 0, 0),
        ("rotate", 1, 1),
    )


def test_what_was_copied_over_a_rotated_file_is_no_shredding_beside_the_compressed_form_of_another() -> None:
    holds(
        ("race", 0, "copytruncate", 1, 0, 3),
        ("race", 0, "write", 1, 3, 0),
        ("rotate", 1, 1),
        ("no_topic", 0),
        ("race", 5, "write", 1, 1, 0),
        ("wait", 0),
        ("copytruncate", 1, 0, 0),
        ("look",),
        ("rotate_chain", 1, 3),
        ("compress", 1, 0, 0),
    )


def test_a_file_that_was_truncated_and_is_as_large_as_before_is_known_by_the_time_of_its_last_write() -> None:
    holds(
        ("setup", 0, 2, 0),
        ("write", 0, 5, 0),
        ("truncate", 0, 3),
        ("lose_events",),
    )


def test_what_was_copied_over_a_rotated_file_comes_before_what_was_written_then_and_has_lost_its_name() -> None:
    holds(
        ("race", 0, "copytruncate", 1, 0, 0),
        ("write", 1, 0, 0),
        ("race", 5, "truncate", 1, 0),
        ("look",),
        ("link", 1),
        ("restore", 1, 1),
        ("copytruncate", 1, 0, 1),
        ("wait", 0),
        ("delete", 1, 0),
    )


def test_what_was_copied_over_a_rotated_file_comes_before_what_was_written_then_though_others_have_both_names() -> None:
    holds(
        ("race", 7, "write", 0, 0, 0),
        ("write_half", 0),
        ("rotate", 0, 0),
        ("wait", 0),
        ("truncate", 0, 1),
        ("look",),
        ("copytruncate", 0, 0, 1),
        ("wait", 0),
        ("replace", 0, 0),
    )


def test_what_was_copied_over_a_rotated_file_comes_before_what_was_written_then_though_that_has_its_name_now() -> None:
    holds(
        ("race", 0, "copytruncate", 1, 0, 0),
        ("write", 1, 0, 0),
        ("race", 5, "truncate", 1, 0),
        ("look",),
        ("link", 1),
        ("restore", 1, 1),
        ("copytruncate", 1, 0, 1),
        ("wait", 0),
        ("delete", 1, 1),
        ("rotate", 1, 0),
    )


def test_what_is_copied_over_a_rotated_file_that_was_empty_is_not_its_own_though_nobody_ran_then() -> None:
    holds(
        ("race", 15, "rotate", 0, 1),
        ("write_half", 0),
        ("copytruncate", 0, 0, 0),
        ("wait", 0),
        ("copytruncate", 0, 0, 0),
        ("stop",),
    )


def test_what_was_seen_to_have_grown_while_something_was_read_is_looked_into_before_the_daemon_rests() -> None:
    holds(
        ("write_half", 0),
        ("write_half", 1),
        ("copytruncate", 1, 0, 0),
        ("look",),
        ("write", 1, 0, 0),
        ("truncate", 0, 0),
        ("look",),
        ("copytruncate", 1, 0, 0),
    )


def test_what_is_in_a_file_that_has_a_second_name_only_comes_after_what_was_copied_from_it_before() -> None:
    holds(
        ("no_topic", 0),
        ("rotate", 1, 1),
        ("rotate", 1, 1),
        ("link", 1),
        ("look",),
        ("copytruncate", 1, 0, 1),
        ("look",),
        ("truncate", 1, 1),
        ("replace", 1, 1),
    )


def test_what_was_known_by_its_size_alone_is_not_lost_where_a_rotated_file_is_as_large() -> None:
    holds(
        ("write", 1, 0, 0),
        ("deny", 1, 0),
        ("wait", 0),
        ("copytruncate", 1, 0, 0),
        ("replace", 1, 0),
    )


def test_what_was_known_by_its_size_alone_is_not_lost_where_it_was_truncated_after_a_copy_as_large() -> None:
    holds(
        ("write_half", 1),
        ("replace", 1, 1),
        ("deny", 1, 0),
        ("look",),
        ("copytruncate", 1, 0, 0),
        ("look",),
        ("replace", 1, 0),
    )


def test_what_was_known_by_its_size_alone_is_not_lost_where_it_is_compressed() -> None:
    holds(
        ("faults",),
        ("power_cut",),
        ("exhaust", 0),
        ("race", 11, "rotate", 1, 0),
        ("start", 0),
        ("write_unsynced", 1, 0),
        ("look",),
        ("compress", 1, 0, 0),
    )


def test_what_goes_on_in_a_file_comes_after_what_was_in_it_before_and_keeps_its_id_over_a_kill() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("no_topic", 0),
        ("delete", 0, 0),
        ("write", 0, 0, 0),
        ("wait", 1),
        ("kill",),
        ("restore", 0, 1),
        ("start", 0),
        ("beat",),
        ("kill",),
    )


def test_what_has_lost_its_name_since_it_was_seen_comes_before_what_has_been_rotated_since() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("race", 17, "replace", 0, 0),
        ("rotate", 0, 1),
        ("stop",),
        ("rotate", 0, 1),
        ("race", 17, "rotate_chain", 0, 2),
        ("rotate", 0, 1),
        ("start", 0),
        ("rotate", 0, 1),
        ("compress", 0, 0, 1),
    )


def test_what_waits_for_a_file_that_is_being_compressed_waits_for_it_under_an_older_name_too() -> None:
    holds(
        ("write", 0, 0, 0),
        ("look",),
        ("rotate", 0, 1),
        ("copytruncate", 0, 0, 1),
        ("compress", 0, 0, 1),
        ("copytruncate", 0, 0, 0),
        ("rotate", 0, 0),
    )


def test_what_waits_for_a_file_that_cannot_be_judged_waits_for_it_though_it_has_grown_and_is_rotated_again() -> None:
    holds(
        ("faults",),
        ("deep",),
        ("rotate_chain", 1, 3),
        ("break", 1, 2),
        ("race", 6, "write_late", 1),
        ("wait", 0),
        ("replace", 1, 1),
        ("rotate", 1, 0),
    )


def test_a_file_that_was_read_does_not_give_way_to_one_that_is_looked_into_before_its_lines_are_sent() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("few_open", 1),
        ("race", 5, "write", 0, 0, 0),
        ("rotate", 0, 0),
        ("write", 0, 0, 0),
        ("look",),
        ("replace", 0, 1),
        ("write_late", 0),
    )


def test_what_is_copied_over_a_rotated_file_just_when_it_has_been_judged_is_not_what_was_judged() -> None:
    holds(
        ("rotate", 0, 1),
        ("race", 12, "copytruncate", 1, 0, 1),
        ("kill",),
        ("start", 0),
        ("write", 1, 0, 0),
        ("fatal", 0, 0),
        ("race", 16, "copytruncate", 1, 0, 0),
        ("wait", 0),
        ("compress", 1, 0, 0),
    )


def test_what_was_empty_and_has_lost_its_name_is_not_what_has_its_id_after_a_restart() -> None:
    holds(
        ("setup", 0, 1, 0),
        ("truncate", 0, 0),
        ("brokers_away",),
        ("fatal", 0, 0),
        ("replace", 0, 1),
        ("wait", 0),
        ("stop",),
        ("copytruncate", 0, 0, 0),
    )


def test_what_was_copied_over_a_rotated_file_is_no_shredding_beside_the_compressed_form_of_what_has_its_name() -> None:
    holds(
        ("race", 0, "copytruncate", 1, 0, 3),
        ("race", 0, "write", 1, 3, 0),
        ("rotate", 1, 1),
        ("no_topic", 0),
        ("race", 5, "write", 1, 1, 0),
        ("wait", 0),
        ("copytruncate", 1, 0, 0),
        ("look",),
        ("rotate_chain", 1, 3),
        ("compress", 1, 0, 1),
    )
