//! The store and its audit log, each case on SQLite and on a private PostgreSQL.

#[path = "store/audit.rs"]
mod audit;
#[path = "store/codes.rs"]
mod codes;
#[path = "store/devices.rs"]
mod devices;
#[path = "store/keys.rs"]
mod keys;
#[path = "store/place.rs"]
mod place;
mod postgres;
#[path = "store/samples.rs"]
mod samples;
#[path = "store/services.rs"]
mod services;
#[path = "store/writer.rs"]
mod writer;

macro_rules! on_both_engines {
    ($($file:ident::$case:ident,)+) => {
        mod on_sqlite {
            $(#[test]
            fn $case() {
                crate::place::run(crate::place::Place::sqlite(), crate::$file::$case);
            })+
        }
        mod on_postgres {
            $(#[test]
            fn $case() {
                crate::place::run(crate::place::Place::postgres(), crate::$file::$case);
            })+
        }
    };
}

on_both_engines! {
    codes::one_of_many_gets_the_code,
    codes::one_of_many_registers,
    codes::one_of_many_deregisters,
    codes::one_of_many_enrols,
    codes::a_code_ends_by_the_second,
    codes::an_unknown_ceremony_is_gone,
    codes::a_ceremony_of_another_kind_is_gone,
    codes::a_burnt_code_is_used,
    codes::an_authentication_is_for_one_key,
    codes::a_ceremony_comes_back_as_it_went,
    codes::only_what_ended_long_ago_is_swept,
    keys::a_key_that_does_not_count_authenticates_nobody,
    keys::a_superseded_key_authenticates_nobody,
    keys::a_device_that_was_revoked_in_between_authenticates_nobody,
    keys::registering_again_supersedes,
    keys::instances_that_register_at_once_leave_one_active_key,
    keys::deregistering_ends_the_key,
    keys::revoked_is_final,
    keys::a_suspended_account_takes_no_new_key,
    keys::a_device_that_was_revoked_in_between_changes_no_key,
    keys::an_account_that_is_taken_away_burns_its_open_registrations,
    keys::no_key_outlives_a_revocation_at_the_same_time,
    keys::a_relying_party_ends_active_keys_alone,
    keys::a_long_history_is_cut,
    keys::keys_are_listed_by_service,
    devices::an_enrolment_makes_a_device,
    devices::another_identity_of_a_tpm_supersedes,
    devices::a_tpm_that_was_taken_out_does_not_come_back,
    devices::a_superseded_identity_stands_for_its_tpm,
    devices::a_revocation_and_an_enrolment_at_once_leave_no_active_device,
    devices::a_revocation_waits_for_an_enrolment,
    devices::no_two_tpms_have_one_secret,
    devices::of_two_tpms_that_come_at_once_with_one_secret_one_is_taken,
    devices::an_enrolment_ends_by_the_second,
    devices::revoked_is_final_for_devices,
    services::services_are_found_by_what_they_show,
    services::a_new_api_key_changes_nothing_else,
    services::a_key_set_has_a_version_of_its_own,
    services::all_instances_have_one_account_secret,
    services::an_address_that_is_none_is_refused,
    writer::a_failing_job_does_not_fail_its_neighbours,
    writer::a_full_queue_is_busy,
    writer::the_end_of_the_chain_is_known_without_the_database,
    writer::a_lock_that_is_held_for_a_while_stops_nobody_for_good,
    writer::what_was_acknowledged_is_there_after_reopening,
    audit::the_chain_verifies_and_goes_on_after_reopening,
    audit::what_changed_nothing_leaves_no_event,
    audit::tampering_is_found,
    audit::a_history_that_was_written_anew_is_found,
    audit::a_cut_off_end_is_found,
    audit::a_forged_checkpoint_is_found,
    audit::a_name_is_for_one_process,
    audit::each_instance_has_a_chain,
}
