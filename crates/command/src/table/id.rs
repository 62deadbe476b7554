//! The name of every command and subcommand, to dispatch on.

/// A command, or a subcommand of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommandId {
    /// `XACK`
    Xack,
    /// `XACKDEL`
    Xackdel,
    /// `XADD`
    Xadd,
    /// `XAUTOCLAIM`
    Xautoclaim,
    /// `XCFGGET`
    Xcfgget,
    /// `XCFGSET`
    Xcfgset,
    /// `XCLAIM`
    Xclaim,
    /// `XDEL`
    Xdel,
    /// `XDELEX`
    Xdelex,
    /// `XDLQ`
    Xdlq,
    /// `XDLQ HELP`
    XdlqHelp,
    /// `XDLQ LIST`
    XdlqList,
    /// `XDLQ PURGE`
    XdlqPurge,
    /// `XDLQ REQUEUE`
    XdlqRequeue,
    /// `XFENCE`
    Xfence,
    /// `XGROUP`
    Xgroup,
    /// `XGROUP CFGGET`
    XgroupCfgget,
    /// `XGROUP CFGSET`
    XgroupCfgset,
    /// `XGROUP CREATE`
    XgroupCreate,
    /// `XGROUP CREATECONSUMER`
    XgroupCreateconsumer,
    /// `XGROUP DELCONSUMER`
    XgroupDelconsumer,
    /// `XGROUP DESTROY`
    XgroupDestroy,
    /// `XGROUP HELP`
    XgroupHelp,
    /// `XGROUP SETID`
    XgroupSetid,
    /// `XGROUP SKIP`
    XgroupSkip,
    /// `XIDMPRECORD`
    Xidmprecord,
    /// `XINFO`
    Xinfo,
    /// `XINFO CONSUMERS`
    XinfoConsumers,
    /// `XINFO GROUPS`
    XinfoGroups,
    /// `XINFO HELP`
    XinfoHelp,
    /// `XINFO STREAM`
    XinfoStream,
    /// `XLEN`
    Xlen,
    /// `XNACK`
    Xnack,
    /// `XPENDING`
    Xpending,
    /// `XRANGE`
    Xrange,
    /// `XREAD`
    Xread,
    /// `XREADGROUP`
    Xreadgroup,
    /// `XREVRANGE`
    Xrevrange,
    /// `XSCHEDULE`
    Xschedule,
    /// `XSCHEDULE ADD`
    XscheduleAdd,
    /// `XSCHEDULE CANCEL`
    XscheduleCancel,
    /// `XSCHEDULE HELP`
    XscheduleHelp,
    /// `XSCHEDULE LIST`
    XscheduleList,
    /// `XSCHEDULE RUN`
    XscheduleRun,
    /// `XSETID`
    Xsetid,
    /// `XTRIM`
    Xtrim,
    /// `AUTH`
    Auth,
    /// `CLIENT`
    Client,
    /// `CLIENT GETNAME`
    ClientGetname,
    /// `CLIENT HELP`
    ClientHelp,
    /// `CLIENT ID`
    ClientId,
    /// `CLIENT INFO`
    ClientInfo,
    /// `CLIENT KILL`
    ClientKill,
    /// `CLIENT LIST`
    ClientList,
    /// `CLIENT NO-EVICT`
    ClientNoEvict,
    /// `CLIENT NO-TOUCH`
    ClientNoTouch,
    /// `CLIENT SETINFO`
    ClientSetinfo,
    /// `CLIENT SETNAME`
    ClientSetname,
    /// `CLIENT UNBLOCK`
    ClientUnblock,
    /// `ECHO`
    Echo,
    /// `HELLO`
    Hello,
    /// `PING`
    Ping,
    /// `QUIT`
    Quit,
    /// `RESET`
    Reset,
    /// `SELECT`
    Select,
    /// `COMMAND`
    Command,
    /// `COMMAND COUNT`
    CommandCount,
    /// `COMMAND DOCS`
    CommandDocs,
    /// `COMMAND GETKEYS`
    CommandGetkeys,
    /// `COMMAND GETKEYSANDFLAGS`
    CommandGetkeysandflags,
    /// `COMMAND HELP`
    CommandHelp,
    /// `COMMAND INFO`
    CommandInfo,
    /// `COMMAND LIST`
    CommandList,
    /// `CONFIG`
    Config,
    /// `CONFIG GET`
    ConfigGet,
    /// `CONFIG HELP`
    ConfigHelp,
    /// `CONFIG RESETSTAT`
    ConfigResetstat,
    /// `CONFIG SET`
    ConfigSet,
    /// `DBSIZE`
    Dbsize,
    /// `FLUSHALL`
    Flushall,
    /// `FLUSHDB`
    Flushdb,
    /// `INFO`
    Info,
    /// `ROLE`
    Role,
    /// `SHUTDOWN`
    Shutdown,
    /// `TIME`
    Time,
    /// `DEL`
    Del,
    /// `EXISTS`
    Exists,
    /// `EXPIRE`
    Expire,
    /// `EXPIREAT`
    Expireat,
    /// `EXPIRETIME`
    Expiretime,
    /// `KEYS`
    Keys,
    /// `PERSIST`
    Persist,
    /// `PEXPIRE`
    Pexpire,
    /// `PEXPIREAT`
    Pexpireat,
    /// `PEXPIRETIME`
    Pexpiretime,
    /// `PTTL`
    Pttl,
    /// `RENAME`
    Rename,
    /// `RENAMENX`
    Renamenx,
    /// `SCAN`
    Scan,
    /// `TTL`
    Ttl,
    /// `TYPE`
    Type,
    /// `UNLINK`
    Unlink,
    /// `WAIT`
    Wait,
    /// `WAITAOF`
    Waitaof,
    /// `DECR`
    Decr,
    /// `DECRBY`
    Decrby,
    /// `GET`
    Get,
    /// `INCR`
    Incr,
    /// `INCRBY`
    Incrby,
    /// `SET`
    Set,
    /// `ACL`
    Acl,
    /// `ACL CAT`
    AclCat,
    /// `ACL DELUSER`
    AclDeluser,
    /// `ACL DRYRUN`
    AclDryrun,
    /// `ACL GENPASS`
    AclGenpass,
    /// `ACL GETUSER`
    AclGetuser,
    /// `ACL HELP`
    AclHelp,
    /// `ACL LIST`
    AclList,
    /// `ACL LOAD`
    AclLoad,
    /// `ACL LOG`
    AclLog,
    /// `ACL SAVE`
    AclSave,
    /// `ACL SETUSER`
    AclSetuser,
    /// `ACL USERS`
    AclUsers,
    /// `ACL WHOAMI`
    AclWhoami,
    /// `APPEND`
    Append,
    /// `BACKUP`
    Backup,
    /// `BACKUP HELP`
    BackupHelp,
    /// `BACKUP PIN`
    BackupPin,
    /// `BACKUP UNPIN`
    BackupUnpin,
    /// `BGREWRITEAOF`
    Bgrewriteaof,
    /// `BGSAVE`
    Bgsave,
    /// `CLIENT CACHING`
    ClientCaching,
    /// `CLIENT GETREDIR`
    ClientGetredir,
    /// `CLIENT PAUSE`
    ClientPause,
    /// `CLIENT REPLY`
    ClientReply,
    /// `CLIENT TRACKING`
    ClientTracking,
    /// `CLIENT TRACKINGINFO`
    ClientTrackinginfo,
    /// `CLIENT UNPAUSE`
    ClientUnpause,
    /// `CONFIG REWRITE`
    ConfigRewrite,
    /// `COPY`
    Copy,
    /// `DEBUG`
    Debug,
    /// `DUMP`
    Dump,
    /// `GETDEL`
    Getdel,
    /// `GETEX`
    Getex,
    /// `GETSET`
    Getset,
    /// `INCRBYFLOAT`
    Incrbyfloat,
    /// `LASTSAVE`
    Lastsave,
    /// `LATENCY`
    Latency,
    /// `LATENCY DOCTOR`
    LatencyDoctor,
    /// `LATENCY GRAPH`
    LatencyGraph,
    /// `LATENCY HELP`
    LatencyHelp,
    /// `LATENCY HISTOGRAM`
    LatencyHistogram,
    /// `LATENCY HISTORY`
    LatencyHistory,
    /// `LATENCY LATEST`
    LatencyLatest,
    /// `LATENCY RESET`
    LatencyReset,
    /// `LOLWUT`
    Lolwut,
    /// `MEMORY`
    Memory,
    /// `MEMORY DOCTOR`
    MemoryDoctor,
    /// `MEMORY HELP`
    MemoryHelp,
    /// `MEMORY MALLOC-STATS`
    MemoryMallocStats,
    /// `MEMORY PURGE`
    MemoryPurge,
    /// `MEMORY STATS`
    MemoryStats,
    /// `MEMORY USAGE`
    MemoryUsage,
    /// `MGET`
    Mget,
    /// `MODULE`
    Module,
    /// `MODULE HELP`
    ModuleHelp,
    /// `MODULE LIST`
    ModuleList,
    /// `MONITOR`
    Monitor,
    /// `MOVE`
    Move,
    /// `MSET`
    Mset,
    /// `MSETNX`
    Msetnx,
    /// `OBJECT`
    Object,
    /// `OBJECT ENCODING`
    ObjectEncoding,
    /// `OBJECT FREQ`
    ObjectFreq,
    /// `OBJECT HELP`
    ObjectHelp,
    /// `OBJECT IDLETIME`
    ObjectIdletime,
    /// `OBJECT REFCOUNT`
    ObjectRefcount,
    /// `PSETEX`
    Psetex,
    /// `RANDOMKEY`
    Randomkey,
    /// `RESTORE`
    Restore,
    /// `SAVE`
    Save,
    /// `SETEX`
    Setex,
    /// `SETNX`
    Setnx,
    /// `SLOWLOG`
    Slowlog,
    /// `SLOWLOG GET`
    SlowlogGet,
    /// `SLOWLOG HELP`
    SlowlogHelp,
    /// `SLOWLOG LEN`
    SlowlogLen,
    /// `SLOWLOG RESET`
    SlowlogReset,
    /// `STRLEN`
    Strlen,
    /// `SWAPDB`
    Swapdb,
    /// `TOUCH`
    Touch,
    /// `DISCARD`
    Discard,
    /// `EXEC`
    Exec,
    /// `MULTI`
    Multi,
    /// `UNWATCH`
    Unwatch,
    /// `WATCH`
    Watch,
}

impl CommandId {
    /// How many there are.
    pub const COUNT: usize = Self::Watch as usize + 1;

    /// A number below [`CommandId::COUNT`], for arrays with an element for each command.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}
