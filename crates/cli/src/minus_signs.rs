//! Numbers, ids and times with a minus sign before them.
//!
//! clap takes them for options that do not exist, and advises what does not help. They are none of
//! what is wanted either, but those who read the values say why. So where that is what is wrong,
//! the arguments are read once more, with values that may begin with a dash.

use std::any::TypeId;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use millstream::{EntryId, GroupStart};

use crate::serve_values::{self, Part, Port};
use crate::setting::Setting;

/// Whether one of them was taken for an option.
pub(crate) fn is_below_zero(error: &clap::Error) -> bool {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return false;
    };
    let first = argument.strip_prefix('-').and_then(|rest| rest.bytes().next());
    error.kind() == ErrorKind::UnknownArgument && first.is_some_and(|it| it.is_ascii_digit())
}

/// Lets all commands have them where they belong.
pub(crate) fn let_in(command: Command) -> Command {
    command.mut_args(let_in_of).mut_subcommands(let_in)
}

fn let_in_of(argument: Arg) -> Arg {
    let of = argument.get_value_parser().type_id();
    let is_any_of = |types: &[TypeId]| types.iter().any(|it| of == *it);
    if is_any_of(&numbers()) {
        argument.allow_negative_numbers(true)
    } else if !is_any_of(&ids_and_times()) {
        argument
    } else if argument.is_positional() {
        // Whatever else begins with a dash is an option there.
        argument.allow_negative_numbers(true)
    } else {
        argument.allow_hyphen_values(true)
    }
}

fn numbers() -> [TypeId; 9] {
    [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<NonZeroU32>(),
        TypeId::of::<Port>(),
        TypeId::of::<Part>(),
        TypeId::of::<serve_values::Setting>(),
    ]
}

fn ids_and_times() -> [TypeId; 6] {
    [
        TypeId::of::<EntryId>(),
        TypeId::of::<GroupStart>(),
        TypeId::of::<Duration>(),
        TypeId::of::<SystemTime>(),
        TypeId::of::<Setting<Duration>>(),
        TypeId::of::<Setting<u64>>(),
    ]
}
