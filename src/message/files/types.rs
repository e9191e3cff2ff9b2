//! Types of files: their names in rules, what kind of thing each is, and the extensions that claim it.

/// What kind of thing a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Runs by itself when it is opened: programs, installers, shortcuts, help files with scripts.
    Executable,
    /// Runs by an interpreter that common systems have.
    Script,
    /// Holds files.
    Archive,
    /// A disk: systems mount it and show the files in it.
    Disk,
    /// Office documents, PDF, books.
    Document,
    /// A message or calendar entry.
    Mail,
    /// HTML, XML, SVG.
    Markup,
    /// Pictures.
    Image,
    /// Sound and film.
    Media,
    /// Plain text.
    Text,
    /// Fonts, keys, databases and others that nobody opens by chance.
    Other,
}

impl Class {
    /// All of them.
    pub const EACH: [Self; 11] = [
        Self::Executable,
        Self::Script,
        Self::Archive,
        Self::Disk,
        Self::Document,
        Self::Mail,
        Self::Markup,
        Self::Image,
        Self::Media,
        Self::Text,
        Self::Other,
    ];

    /// Its word in rules.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Script => "script",
            Self::Archive => "archive",
            Self::Disk => "disk",
            Self::Document => "document",
            Self::Mail => "mail",
            Self::Markup => "markup",
            Self::Image => "image",
            Self::Media => "media",
            Self::Text => "text",
            Self::Other => "other",
        }
    }
}

macro_rules! types {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $class:ident, [$($extension:literal),*];)*) => {
        /// What a file is by its content.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub enum Type {
            /// Nothing that we know, or not read.
            #[default]
            Unknown,
            $($(#[doc = $doc])* $variant,)*
        }

        impl Type {
            /// All but [`Type::Unknown`].
            pub const EACH: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word in rules and logs; never that of a [`Class`], but for `text`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    Self::Unknown => "unknown",
                    $(Self::$variant => $name,)*
                }
            }

            /// What kind of thing it is; `None` for what is not known.
            #[must_use]
            pub fn class(self) -> Option<Class> {
                match self {
                    Self::Unknown => None,
                    $(Self::$variant => Some(Class::$class),)*
                }
            }

            fn extensions(self) -> &'static [&'static str] {
                match self {
                    Self::Unknown => &[],
                    $(Self::$variant => &[$($extension),*],)*
                }
            }
        }
    };
}

types! {
    /// Windows program or library (PE), DOS program.
    Exe = "exe", Executable, ["exe", "com", "scr", "pif", "cpl", "dll", "sys", "ocx", "drv", "xll", "wll", "efi", "mui"];
    /// Unix program or library.
    Elf = "elf", Executable, ["elf", "so"];
    /// Program of macOS.
    Macho = "macho", Executable, ["dylib"];
    /// Java class.
    Class = "class", Executable, ["class"];
    /// Java archive.
    Jar = "jar", Executable, ["jar"];
    /// Android package.
    Apk = "apk", Executable, ["apk", "aab"];
    /// Android program.
    Dex = "dex", Executable, ["dex"];
    /// Windows installer.
    Msi = "msi", Executable, ["msi", "msp", "mst"];
    /// Windows application package.
    Appx = "appx", Executable, ["appx", "msix", "appxbundle", "msixbundle"];
    /// Windows shortcut.
    Lnk = "lnk", Executable, ["lnk"];
    /// Compiled help, with scripts.
    Chm = "chm", Executable, ["chm"];
    /// Old Windows help, with macros.
    Hlp = "hlp", Executable, ["hlp"];
    /// Debian package.
    Deb = "deb", Executable, ["deb"];
    /// RPM package.
    Rpm = "rpm", Executable, ["rpm"];
    /// `#!` in front.
    Shebang = "shebang", Script, ["sh", "bash", "ksh", "csh", "zsh", "pl", "py", "rb"];
    /// HTML application.
    Hta = "hta", Script, ["hta"];
    /// Windows script file (XML).
    Wsf = "wsf", Script, ["wsf", "wsc", "sct"];
    /// Encoded JScript or VBScript.
    Jse = "jse", Script, ["jse", "vbe"];
    /// Registry entries.
    Reg = "reg", Script, ["reg"];
    /// Batch, PowerShell, JavaScript, VBScript; known by name only.
    Batch = "batch", Script, ["bat", "cmd", "ps1", "ps1xml", "psm1", "psd1", "psc1", "js", "mjs", "vbs", "vb", "wsh", "ws", "scf", "inf", "url", "website", "library-ms", "search-ms", "settingcontent-ms", "msc", "application", "appref-ms", "jnlp", "gadget", "diagcab", "theme", "themepack", "iqy", "slk", "rdp", "ade", "adp", "mde", "ins", "isp", "job", "shb", "shs", "vsmacros", "xbap", "workflow", "command", "terminal", "scpt", "desktop"];
    /// Zip.
    Zip = "zip", Archive, ["zip", "zipx"];
    /// RAR.
    Rar = "rar", Archive, ["rar", "r00", "r01"];
    /// 7z.
    SevenZ = "7z", Archive, ["7z"];
    /// gzip.
    Gzip = "gz", Archive, ["gz", "tgz", "svgz", "emz", "wmz"];
    /// bzip2.
    Bzip2 = "bz2", Archive, ["bz2", "tbz", "tbz2", "bz"];
    /// xz.
    Xz = "xz", Archive, ["xz", "txz"];
    /// LZMA alone.
    Lzma = "lzma", Archive, ["lzma"];
    /// lzip.
    Lzip = "lz", Archive, ["lz", "tlz"];
    /// Zstandard.
    Zstd = "zst", Archive, ["zst", "tzst"];
    /// LZ4.
    Lz4 = "lz4", Archive, ["lz4"];
    /// compress.
    Compress = "z", Archive, ["z", "taz"];
    /// tar.
    Tar = "tar", Archive, ["tar"];
    /// cpio.
    Cpio = "cpio", Archive, ["cpio"];
    /// ar.
    Ar = "ar", Archive, ["ar", "a", "lib"];
    /// Cabinet.
    Cab = "cab", Archive, ["cab"];
    /// ARJ.
    Arj = "arj", Archive, ["arj"];
    /// LHA.
    Lha = "lha", Archive, ["lha", "lzh"];
    /// ACE.
    Ace = "ace", Archive, ["ace"];
    /// ARC of 1985.
    Arc = "arc", Archive, ["arc"];
    /// XAR, installer of macOS.
    Xar = "xar", Archive, ["xar", "pkg"];
    /// Image of a CD, DVD: ISO 9660 or UDF.
    Iso = "iso", Disk, ["iso", "udf"];
    /// Virtual disk of Windows.
    Vhd = "vhd", Disk, ["vhd"];
    /// Its successor.
    Vhdx = "vhdx", Disk, ["vhdx"];
    /// Virtual disk of VMware.
    Vmdk = "vmdk", Disk, ["vmdk"];
    /// Windows image.
    Wim = "wim", Disk, ["wim", "esd", "swm"];
    /// Image of macOS.
    Dmg = "dmg", Disk, ["dmg"];
    /// FAT or NTFS, with or without partitions.
    Fat = "img", Disk, ["img", "ima", "vfd"];
    /// PDF.
    Pdf = "pdf", Document, ["pdf"];
    /// RTF.
    Rtf = "rtf", Document, ["rtf"];
    /// Word 97.
    Doc = "doc", Document, ["doc", "dot", "wiz"];
    /// Excel 97, and older.
    Xls = "xls", Document, ["xls", "xlt", "xlm", "xla", "xlw"];
    /// PowerPoint 97.
    Ppt = "ppt", Document, ["ppt", "pps", "pot", "ppa"];
    /// Visio, Publisher, Works and others in an OLE file.
    Ole = "ole", Document, ["vsd", "pub", "wps", "mpp", "vst"];
    /// Word since 2007.
    Docx = "docx", Document, ["docx", "docm", "dotx", "dotm"];
    /// Excel since 2007.
    Xlsx = "xlsx", Document, ["xlsx", "xlsm", "xltx", "xltm", "xlsb", "xlam"];
    /// PowerPoint since 2007.
    Pptx = "pptx", Document, ["pptx", "pptm", "ppsx", "ppsm", "potx", "potm", "ppam", "sldx", "sldm"];
    /// Visio, XPS and others in an OOXML package.
    Ooxml = "ooxml", Document, ["vsdx", "vsdm", "xps", "oxps"];
    /// OpenDocument.
    Odf = "odf", Document, ["odt", "ods", "odp", "odg", "odf", "ott", "ots", "otp", "sxw", "sxc", "sxi"];
    /// Book.
    Epub = "epub", Document, ["epub"];
    /// OneNote.
    One = "one", Document, ["one", "onepkg", "onetoc2"];
    /// PostScript.
    Ps = "ps", Document, ["ps", "eps"];
    /// Access database.
    Access = "mdb", Document, ["mdb", "accdb", "accde", "accdr"];
    /// Outlook message.
    Msg = "msg", Mail, ["msg", "oft"];
    /// winmail.dat.
    Tnef = "tnef", Mail, ["tnef"];
    /// Internet message.
    Eml = "eml", Mail, ["eml", "mht", "mhtml", "mbox"];
    /// Calendar entry.
    Ics = "ics", Mail, ["ics", "ical", "vcs"];
    /// Card.
    Vcf = "vcf", Mail, ["vcf"];
    /// Outlook folder.
    Pst = "pst", Mail, ["pst", "ost"];
    /// HTML.
    Html = "html", Markup, ["html", "htm", "xhtml", "shtml", "xht"];
    /// XML.
    Xml = "xml", Markup, ["xml", "xsl", "xslt", "xsd", "rels"];
    /// SVG: a picture that may have scripts.
    Svg = "svg", Markup, ["svg"];
    /// PNG.
    Png = "png", Image, ["png", "apng"];
    /// JPEG.
    Jpeg = "jpg", Image, ["jpg", "jpeg", "jpe", "jfif"];
    /// GIF.
    Gif = "gif", Image, ["gif"];
    /// BMP.
    Bmp = "bmp", Image, ["bmp", "dib"];
    /// TIFF.
    Tiff = "tiff", Image, ["tif", "tiff"];
    /// WebP.
    Webp = "webp", Image, ["webp"];
    /// Icon, cursor.
    Ico = "ico", Image, ["ico", "cur"];
    /// Photoshop.
    Psd = "psd", Image, ["psd"];
    /// Windows metafile.
    Wmf = "wmf", Image, ["wmf", "emf"];
    /// HEIF, AVIF.
    Heif = "heif", Image, ["heic", "heif", "avif"];
    /// MP3.
    Mp3 = "mp3", Media, ["mp3"];
    /// WAV, AVI.
    Riff = "riff", Media, ["wav", "avi"];
    /// Ogg.
    Ogg = "ogg", Media, ["ogg", "oga", "ogv", "opus"];
    /// FLAC.
    Flac = "flac", Media, ["flac"];
    /// MPEG-4, QuickTime.
    Mp4 = "mp4", Media, ["mp4", "m4a", "m4v", "mov", "3gp"];
    /// Matroska.
    Mkv = "mkv", Media, ["mkv", "webm", "mka"];
    /// Windows media.
    Asf = "asf", Media, ["wma", "wmv", "asf"];
    /// MPEG, MIDI, AMR.
    Mpeg = "mpeg", Media, ["mpg", "mpeg", "mid", "amr", "aac"];
    /// Flash.
    Swf = "swf", Executable, ["swf"];
    /// Text.
    Plain = "plain", Text, ["txt", "csv", "log", "md", "json", "tsv", "diff", "patch", "ini", "conf", "yaml", "yml"];
    /// Fonts.
    Font = "font", Other, ["ttf", "otf", "woff", "woff2"];
    /// OpenPGP.
    Pgp = "pgp", Other, ["pgp", "gpg", "sig", "asc"];
    /// SQLite.
    Sqlite = "sqlite", Other, ["sqlite", "db"];
    /// WebAssembly.
    Wasm = "wasm", Other, ["wasm"];
}

impl Type {
    /// The type that an extension (lower case, without its dot) claims.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::EACH.iter().copied().find(|kind| kind.extensions().contains(&extension))
    }

    /// Whether a word of a rule names it: its own name, or that of its class.
    #[must_use]
    pub fn is(self, word: &str) -> bool {
        self.name() == word || self.class().is_some_and(|class| class.name() == word)
    }

    /// Every word that a rule may use.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let classes = Class::EACH.into_iter().map(Class::name);
        classes.chain(std::iter::once(Self::Unknown.name())).chain(Self::EACH.iter().map(|kind| kind.name()))
    }

    /// Whether nobody would believe that a file of this type is one of the other: their kinds differ. What is not known
    /// contradicts nothing.
    #[must_use]
    pub fn contradicts(self, claimed: Self) -> bool {
        let (Some(own), Some(claimed_class)) = (self.class(), claimed.class()) else { return false };
        // Nothing in a script or text says what it is; old exports are HTML or text with the name of a table.
        let written = |class| matches!(class, Class::Script | Class::Text | Class::Mail);
        let loose = matches!(own, Class::Markup | Class::Text) && matches!(claimed_class, Class::Markup)
            || own == Class::Text && written(claimed_class)
            || matches!(self, Self::Html | Self::Xml | Self::Plain) && claimed == Self::Xls
            || own == Class::Markup && matches!(claimed_class, Class::Script | Class::Text)
            || matches!(self, Self::Eml | Self::Ics | Self::Vcf | Self::Pgp) && claimed_class == Class::Text
            || matches!(self, Self::Svg) && claimed_class == Class::Image;
        own != claimed_class && !loose
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn words_and_extensions_are_of_one_type() {
        let mut seen: HashMap<&str, Type> = HashMap::new();
        for &kind in Type::EACH {
            assert_eq!(kind, Type::of_extension(kind.extensions()[0]).unwrap());
            for extension in kind.extensions() {
                assert_eq!(seen.insert(extension, kind), None, "{extension}");
                assert_eq!(*extension, extension.to_ascii_lowercase());
            }
        }
        let mut words: Vec<&str> = Type::words().collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
        assert!(Type::Exe.is("executable") && Type::Exe.is("exe") && !Type::Exe.is("document"));
    }

    #[test]
    fn what_contradicts_a_name() {
        use Type as T;
        for (real, claimed, want) in [
            (T::Exe, T::Pdf, true),
            (T::Exe, T::Exe, false),
            (T::Jpeg, T::Png, false),
            (T::Rtf, T::Doc, false),
            (T::Html, T::Pdf, true),
            (T::Html, T::Xls, false),
            (T::Zip, T::Pdf, true),
            (T::Pdf, T::Plain, true),
            (T::Plain, T::Pdf, true),
            (T::Plain, T::Batch, false),
            (T::Svg, T::Png, false),
            (T::Xml, T::Svg, false),
            (T::Unknown, T::Pdf, false),
            (T::Jar, T::Zip, true),
        ] {
            assert_eq!(real.contradicts(claimed), want, "{real:?} {claimed:?}");
        }
    }
}
